#!/bin/sh
# Builds the image localhost/callctl-asterisk:22 and writes var/container-command, the words that
# start a container on this machine. Run by `make`; run again it does nothing, in about a second.
#
# CALLCTL_CONTAINER_ENGINE=docker (or podman) chooses the engine; else podman, else docker.
set -eu
cd "$(dirname "$0")/../.."
here=deploy/asterisk
image=localhost/callctl-asterisk:22
base=debian:forky-slim
command_file=var/container-command
log=var/log/image.log
pull_seconds=20

say() { printf '  asterisk image: %s\n' "$*"; }
fail() { printf '  asterisk image: %s\n' "$@" >&2; exit 1; }

choose_engine() {
    if [ -n "${CALLCTL_CONTAINER_ENGINE:-}" ]; then
        echo "$CALLCTL_CONTAINER_ENGINE"
    elif command -v podman >/dev/null; then
        echo podman
    elif command -v docker >/dev/null && timeout 10 docker info >/dev/null 2>&1; then
        echo docker
    fi
}

# How containers start here: plainly; or, where root may not raise limits (root inside a container
# of its own), with the limits it has; or with runc, where crun refuses the machine's cgroups.
# Where it is allowed the container gets weight: all of Asterisk would else count as one process
# beside its neighbours, and starve first on a busy machine. And threads: a call takes up to four,
# and at 2048, which is podman's usual limit, Asterisk would be stuck at 500 calls.
find_run_command() {
    limits='--ulimit nofile=8192:8192 --ulimit nproc=16384:16384' threads='--pids-limit 16384'
    if grep -qs -e "$threads" "$command_file" && tries "$(cat "$command_file")"; then return 0; fi
    for weight in " --cpu-shares 8192 $threads" ''; do
        for words in "$engine run$weight" "$engine run$weight $limits" \
            "$engine --runtime runc run$weight" "$engine --runtime runc run$weight $limits"; do
            if tries "$words"; then
                echo "$words" > "$command_file"
                say "containers start with: $words"
                return 0
            fi
        done
    done
    fail "$engine cannot start a container; what it says is in $log" \
        "as an ordinary user podman needs: apt install uidmap slirp4netns fuse-overlayfs," \
        "and a line for $(id -un) in /etc/subuid and /etc/subgid (usermod --add-subuids," \
        "--add-subgids); as root it may need: apt install runc"
}

# shellcheck disable=SC2086  # the words are meant to be split
tries() {
    case "$1" in "$engine "*) ;; *) return 1 ;; esac
    case "$1" in *' runc '*) command -v runc >/dev/null || return 1 ;; esac
    timeout 60 $1 --rm --network host --entrypoint /bin/true "$probe" >>"$log" 2>&1
}

have() { $engine image inspect "$1" >/dev/null 2>&1; }

label() {
    $engine image inspect --format '{{ index .Config.Labels "callctl.source" }}' "$1" 2>/dev/null
}

ensure_base() {
    have "$base" && return 0
    say "fetching $base (up to $pull_seconds s)"
    timeout "$pull_seconds" $engine pull "$base" >>"$log" 2>&1 && return 0
    say "no registry answers; building $base from Debian's packages (about 20 s)"
    command -v mmdebstrap >/dev/null || fail "needs mmdebstrap: apt install mmdebstrap"
    tar=$(mktemp "$PWD/var/base-XXXXXX.tar")
    trap 'rm -f "$tar"' EXIT
    mmdebstrap --variant=apt --include=ca-certificates \
        --aptopt='Acquire::Check-Valid-Until "false"' forky "$tar" >>"$log" 2>&1 ||
        fail "mmdebstrap failed; what it says is in $log"
    $engine import "$tar" "$base" >>"$log" 2>&1 || fail "$engine import failed; see $log"
}

# shellcheck disable=SC2046,SC2086  # likewise
build() {
    say "installing Asterisk 22 into it (about 40 s)"
    words=$(sed 's/ --cpu-shares [0-9]*//' "$command_file") # a user may be refused it here
    $(echo "$words" | sed 's/ run\( \|$\).*/ build/') $(echo "$words" | sed 's/.* run *//') \
        --network host --build-arg BASE="$base" --label "callctl.source=$source" \
        --tag "$image" --file "$here/Containerfile" "$here" >>"$log" 2>&1 ||
        fail "the build failed; what it says is in $log"
}

mkdir -p var/log
: >"$log"
engine=$(choose_engine)
[ -n "$engine" ] || fail "needs podman (apt install podman) or a running docker"
source=$(cat "$here/Containerfile" "$here/entrypoint.sh" | sha256sum | cut -c1-32)
if [ "$(label "$image")" = "$source" ]; then
    probe=$image
    find_run_command
    exit 0
fi
ensure_base
probe=$base
find_run_command
build
say "built $image"
