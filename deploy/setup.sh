#!/usr/bin/env bash
# Makes what callctl runs on: programs, Python packages, PostgreSQL, prompts, the Asterisk image.
#
# Run by make (demo, test, check, run, bench); run again it skips what is done, in about a second.
# As root on Debian it installs what is missing; as a user it says what to install and ends with 2.
# CALLCTL_PYTHON chooses the Python (3.11 or later); the rest is found.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly STEPS=6 STEP_SECONDS_MAX=1800 LOG_LINES_SHOWN=30
readonly LOG_DIR=var/log
step=0

begin() { # begin TITLE
    step=$((step + 1))
    printf '[%d/%d] %s ... ' "$step" "$STEPS" "$1"
}

end() { printf '%s\n' "$1"; }

fail() { # fail LINE...
    printf 'failed\n'
    printf '      %s\n' "$@" >&2
    exit 2
}

# Run a long command with its output in a log; a dot each five seconds shows that it lives.
run_logged() { # run_logged NAME COMMAND...
    local log="$LOG_DIR/setup-$1.log" pid waited=0
    shift
    timeout "$STEP_SECONDS_MAX" "$@" >"$log" 2>&1 </dev/null &
    pid=$!
    while kill -0 "$pid" 2>/dev/null; do
        sleep 0.2
        waited=$((waited + 1))
        [ $((waited % 25)) -ne 0 ] || printf '.'
    done
    if ! wait "$pid"; then
        printf 'failed\n      %s\n' "the end of $log:" >&2
        tail -n "$LOG_LINES_SHOWN" "$log" | sed 's/^/      | /' >&2
        exit 1
    fi
}

have() { command -v "$1" >/dev/null 2>&1; }

is_python_new_enough() {
    "$1" -c 'import sys; raise SystemExit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    local candidate
    for candidate in "${CALLCTL_PYTHON:-}" python3 python3.14 python3.13 python3.12 python3.11; do
        if [ -n "$candidate" ] && have "$candidate" && is_python_new_enough "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

can_make_venv() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }

# The client alone is not enough: many machines have it without an engine behind it.
docker_runs() { have docker && timeout 10 docker info >/dev/null 2>&1; }

# What else uploads are made of comes with sox itself.
can_read_mp3() {
    local help
    have sox || return 1
    help=$(sox --help 2>&1 || true)
    [[ $help =~ FORMATS:.*\ mp3\  ]]
}

# Names of the Debian packages that are missing, one a line.
missing_packages() {
    local python
    if ! python=$(find_python) || ! can_make_venv "$python"; then echo python3-venv; fi
    [ -e /etc/ssl/certs/ca-certificates.crt ] || echo ca-certificates
    have sipp || echo sip-tester
    have ip || echo iproute2
    have mmdebstrap || echo mmdebstrap
    have sox || echo sox
    can_read_mp3 || echo libsox-fmt-mp3
    if [ "${CALLCTL_CONTAINER_ENGINE:-}" = docker ] || { ! have podman && docker_runs; }; then
        return 0
    fi
    have podman || echo podman
    if [ "$(id -u)" -eq 0 ]; then
        have runc || echo runc # crun refuses some machines' cgroups when it is root
    else
        have crun || have runc || echo runc
        have newuidmap || echo uidmap
        have slirp4netns || have pasta || echo slirp4netns
        have fuse-overlayfs || echo fuse-overlayfs
    fi
}

install_packages() {
    export DEBIAN_FRONTEND=noninteractive
    local options=(-o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
    apt-get "${options[@]}" update &&
        apt-get "${options[@]}" install -y --no-install-recommends "$@"
}

system_packages() {
    begin "system packages"
    local missing
    mapfile -t missing < <(missing_packages)
    if [ "${#missing[@]}" -eq 0 ]; then
        end "there"
    elif ! have apt-get; then
        fail "this is not Debian; install what these Debian packages hold: ${missing[*]}"
    elif [ "$(id -u)" -ne 0 ]; then
        fail "some programs are missing; install them, then run this again:" \
            "  sudo apt-get install --no-install-recommends ${missing[*]}"
    else
        printf 'installing %s ' "${missing[*]}"
        export -f install_packages
        run_logged packages bash -c 'install_packages "$@"' install_packages "${missing[@]}"
        end "done"
    fi
}

virtual_environment() {
    begin "virtual environment (.venv)"
    local python
    if [ -x .venv/bin/python ] && is_python_new_enough .venv/bin/python; then
        end "there"
        return
    fi
    python=$(find_python) || fail \
        "callctl needs Python 3.11 or later (Debian 12 has it): found $(python3 --version 2>&1)"
    run_logged venv "$python" -m venv --clear .venv
    end "done"
}

python_packages() {
    begin "Python packages"
    local stamp=.venv/callctl-packages.sha256 wanted
    # The folder is part of it: a checkout that was moved needs its links made anew.
    wanted=$(cat pyproject.toml deploy/constraints.txt <(pwd) | sha256sum | cut -d' ' -f1)
    if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
        end "there"
        return
    fi
    run_logged pip .venv/bin/python -m pip install --disable-pip-version-check --no-input \
        --constraint deploy/constraints.txt --editable '.[dev,speech]'
    echo "$wanted" >"$stamp"
    end "done"
}

readonly FIND_POSTGRESQL='
from callctl.db import binaries
from callctl.settings import Settings
found = binaries.find_binaries(binaries.server_user(), Settings().pg_bin, None)
print(f"version {found.major} in {found.folder}")
'

postgresql() {
    begin "PostgreSQL"
    local found
    if ! found=$(.venv/bin/python -c "$FIND_POSTGRESQL" 2>&1); then
        fail "$(tail -n 1 <<<"$found")"
    fi
    end "$found"
}

prompts() {
    begin "prompts"
    local said
    if ! said=$(.venv/bin/callctl prompts build 2>&1); then
        fail "$(tail -n 1 <<<"$said")"
    fi
    end "$said"
}

asterisk_image() {
    begin "Asterisk image"
    # Its own lines are shown as they come; silence means: there already.
    deploy/asterisk/build.sh </dev/null 9>&- | {
        local said is_first=yes
        while IFS= read -r said; do
            [ "$is_first" = no ] || printf '\n'
            is_first=no
            printf '      %s\n' "${said#  asterisk image: }"
        done
        [ "$is_first" = no ] || end "there"
    }
}

mkdir -p "$LOG_DIR"
exec 9>var/setup.lock
flock --timeout "$STEP_SECONDS_MAX" 9 || fail "another setup.sh is at work since half an hour"
system_packages
virtual_environment
python_packages
postgresql
prompts
asterisk_image
