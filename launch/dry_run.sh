# Read by the scripts beside it: takes --dry_run from the front of their arguments.
# shellcheck shell=bash
dry_run=
if [[ ${1-} == --dry_run ]]; then
    dry_run=yes
    shift
fi

# Prints a command as a shell reads it, and runs it, unless --dry_run was given.
run() {
    local word line=
    for word in "$@"; do
        [[ $word =~ ^[A-Za-z0-9_./:=,@+-]+$ ]] || word=${word@Q}
        line+=" $word"
    done
    echo "${line:1}"
    [[ -n $dry_run ]] || "$@"
}
