# forget-cache ID FOLDER...: removes what borg, with one of these folders for its home, remembers of a repository that has been taken
# back to an older state: its cache, and the age of the list of archives. The nonce stays (AES-CTR), and so does which key it was.
set -euf
PATH=/usr/sbin:/usr/bin:/sbin:/bin; export PATH
id=$1
case $id in '' | *[!0-9a-f]*) echo "not a repository's id" >&2; exit 64 ;; esac
shift
# Emptied, not removed: without it borg takes the repository for one that it has never seen.
# shellcheck disable=SC2016
forget='rm -rf --one-file-system -- ".cache/borg/$1"
    age=.config/borg/security/$1/manifest-timestamp; [ ! -f "$age" ] || : >"$age"'
for folder; do
    if [ ! -d "$folder" ] || [ -L "$folder" ]; then continue; fi
    # With the rights of whom it belongs to: links that somebody has planted there reach nothing of root's.
    (
        cd -- "$folder"
        uid=$(stat -c %u .) gid=$(stat -c %g .)
        exec setpriv --reuid "$uid" --regid "$gid" --clear-groups --no-new-privs -- sh -euc "$forget" sh "$id"
    )
done
