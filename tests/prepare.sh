#!/usr/bin/env bash
# What the tests need of Debian, as root; without root they do with what is there, and say what they skip.
set -euo pipefail
wanted=(openssh-server openssh-client sudo iproute2 systemd-container mmdebstrap debootstrap postgresql poppler-utils)
# Windows computers: Wine, and what makes Windows programs and test installers.
wanted+=(wine wine64 gcc-mingw-w64-x86-64-win32 libz-mingw-w64-dev cmake make dpkg-dev wixl msitools nsis)
missing=()
for package in "${wanted[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed' || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0
if [ "$(id -u)" != 0 ]; then
  echo "not root: tests that need ${missing[*]} are skipped" >&2
  exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
# Nothing that is installed for the tests may start a service of its own on this computer.
if [ ! -e /usr/sbin/policy-rc.d ]; then
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
  chmod +x /usr/sbin/policy-rc.d
fi
apt-get install -q -y --no-install-recommends "${missing[@]}"
