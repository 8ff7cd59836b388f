# between_pulls LOCK: holds the lock for as long as the script runs, where there is such a file. Exits 75 when a pull holds it, and when it
# went just now. Another change may put a new file in its place meanwhile: a lock on the old one counts for nothing.
between_pulls() {
    while [ -n "$1" ] && [ -e "$1" ]; do
        { command exec 9<"$1"; } 2>/dev/null && flock -x -w 3 9 || exit 75
        [ ! "/proc/$$/fd/9" -ef "$1" ] || return 0
    done
    exec 9<&-
}
