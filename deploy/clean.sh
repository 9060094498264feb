#!/usr/bin/env bash
# Removes what callctl wrote in this checkout: var/ (databases, logs), caches; with `all` also
# .venv and the images. Stops nothing: while an instance runs it refuses. Run by make.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly IMAGES='localhost/callctl-asterisk localhost/callctl-systemd' # this one by make faults

for pid_file in var/*/pg/data/postmaster.pid; do
    [ -e "$pid_file" ] || continue
    pid=$(head -n 1 "$pid_file")
    if [ -d "/proc/$pid" ] && grep -qz postgres "/proc/$pid/cmdline"; then
        echo "the instance ${pid_file%/pg/*} is running (PostgreSQL is process $pid):" \
            "stop it first (Ctrl-C in its make run)" >&2
        exit 2
    fi
done

# Below a closed folder such as /root, an instance's pg is a link to where its data is.
for link in var/*/pg; do
    [ -L "$link" ] || continue
    data=$(readlink "$link")
    case "$data" in
        /var/lib/callctl/pg-*) rm -rf -- "$data" ;;
    esac
done

rm -rf var .bench build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
find callctl tests -name __pycache__ -type d -prune -exec rm -rf {} +
if [ "${1:-}" != all ]; then
    echo "removed var/ and caches; .venv and the Asterisk image are kept (make distclean)"
    exit 0
fi
rm -rf .venv ./*.egg-info
for engine in podman docker; do
    command -v "$engine" >/dev/null || continue
    for name in $IMAGES; do
        "$engine" image ls --quiet "$name" 2>/dev/null |
            xargs --no-run-if-empty "$engine" image rm --force
    done
done
echo "removed .venv and the images too; installed system packages stay"
