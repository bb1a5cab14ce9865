# The work by hand: run by bash on the computer. After it comes a line that calls `work`, and then the packages as tar.
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C

says() {  # PORT PATH PATTERN: asks until the answer fits
  for _ in $(seq 100); do
    if exec 3<>"/dev/tcp/127.0.0.1/$1"; then
      printf 'GET %s HTTP/1.0\r\n\r\n' "$2" >&3
      if grep -q "$3" <&3; then return 0; fi
      exec 3<&-
    fi 2>/dev/null
    sleep 0.05
  done
  echo "port $1 does not say $3" >&2
  return 1
}

work() {
  case $(dpkg-query -W -f '${Status} ${Version}' nginx 2>/dev/null || :) in
    "install ok installed $1") ;;
    *)
      folder=$(mktemp -d)
      tar -x -C "$folder"
      dpkg --force-confdef --force-confold -i "$folder"/*.deb
      rm -r "$folder"
      ;;
  esac
  systemctl is-active --quiet nginx || systemctl start nginx
  systemctl is-enabled --quiet nginx || systemctl enable --quiet nginx
  says 80 / 'Welcome to nginx'
  if [ "$(cat /etc/nginx/conf.d/bench.conf 2>/dev/null)" != "$2" ]; then
    printf '%s\n' "$2" >/etc/nginx/conf.d/bench.conf
    systemctl reload nginx
  fi
  says 8081 / ' 204 '
}

