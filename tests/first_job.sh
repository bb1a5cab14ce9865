#!/usr/bin/env bash
# `make run`: the first job. Installs Salam, a small web service, on this very computer, without root, and shows its form.
# Everything it makes is below .pasang/ in this folder and, for Salam itself, in ~/.local/share/salam.
set -euo pipefail
cd "$(dirname "$0")/.."
export PASANG_HOME="${PASANG_HOME:-$PWD/.pasang}"
mkdir -p "$PASANG_HOME"
[ -e "$PASANG_HOME/settings.yaml" ] || cp docs/settings.example.yaml "$PASANG_HOME/settings.yaml"

pasang install salam -i inventory.yaml
form=$(pasang form list -n 1 --json | python3 -c 'import json,sys; print(json.loads(sys.stdin.readline())["number"])')
pasang form show "$form"
echo
echo "PDF:  $(pasang form pdf "$form" -o "$PASANG_HOME/$form.pdf")"
echo "Web:  http://127.0.0.1:8765/"
echo
echo "Selanjutnya · next:"
echo "  export PASANG_HOME=$PASANG_HOME PATH=$PWD/.venv/bin:\$PATH"
echo "  pasang verify salam"
echo "  pasang form sign $form --as user --name 'Pegawai Contoh'"
echo "  pasang uninstall salam"
