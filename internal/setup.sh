#!/bin/sh
# Installs what the tests need and the machine lacks. When it cannot, it says
# exactly what to install.
set -eu

missing=
for python in "${SOJOURN_PYTHON:-python3}" /usr/bin/python3; do
	if "$python" -c 'import flask' 2>/dev/null; then flask=yes; fi
	if "$python" -c 'import flask_login' 2>/dev/null; then login=yes; fi
done
[ "${flask:-}" ] || missing="$missing python3-flask"
[ "${login:-}" ] || missing="$missing python3-flask-login"
command -v cc >/dev/null 2>&1 || missing="$missing gcc libc6-dev"
[ "$missing" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
	echo "installing$missing"
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq
	# shellcheck disable=SC2086 # a list of packages
	apt-get install -y -qq --no-install-recommends $missing >/dev/null
	exit 0
fi
echo "The tests run a real Flask beside the Go code. Please install:" >&2
echo "    apt-get install$missing" >&2
exit 1
