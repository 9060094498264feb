#!/bin/sh
# Starts Asterisk in its container, as user asterisk. The site files hold passwords and can be read
# only by whoever started the container, so root makes Asterisk's own copy of them first.
set -eu
install -d -o asterisk -g asterisk -m 0750 /run/asterisk /etc/asterisk-generated
install -o asterisk -g asterisk -m 0400 /etc/asterisk-site/*.conf /etc/asterisk-generated/
# A call opens about ten files; Docker's usual soft limit of 1024 would end at a hundred calls.
most=$(ulimit -Hn)
if [ "$most" = unlimited ] || [ "$most" -gt 65536 ]; then most=65536; fi
ulimit -n "$most"
exec setpriv --reuid=asterisk --regid=asterisk --init-groups --no-new-privs \
    asterisk -f -C /etc/asterisk/asterisk.conf
