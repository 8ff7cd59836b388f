# rename-cache ID OLD NEW FOLDER...: borg, with one of these folders for its home, knows a repository by its address, and takes another one for
# an attack: from now on it knows it as ssh://borg/./NEW instead of ssh://borg/./OLD. Whatever else it knows stays.
set -euf
PATH=/usr/sbin:/usr/bin:/sbin:/bin; export PATH
id=$1 old=$2 new=$3
case $id in '' | *[!0-9a-f]*) echo "not a repository's id" >&2; exit 64 ;; esac
case $old$new in *[!a-z0-9-]*) echo "not a job's name" >&2; exit 64 ;; esac
shift 3
# shellcheck disable=SC2016
rename='for file in ".config/borg/security/$1/location" ".cache/borg/$1/config"; do
        [ ! -f "$file" ] || [ -L "$file" ] || sed -i "s|^\(previous_location = \)\{0,1\}ssh://borg/\./$2\$|\1ssh://borg/./$3|" "$file"
    done'
for folder; do
    if [ ! -d "$folder" ] || [ -L "$folder" ]; then continue; fi
    # With the rights of whom it belongs to: links that somebody has planted there reach nothing of root's.
    (
        cd -- "$folder"
        uid=$(stat -c %u .) gid=$(stat -c %g .)
        exec setpriv --reuid "$uid" --regid "$gid" --clear-groups --no-new-privs -- sh -euc "$rename" sh "$id" "$old" "$new"
    )
done
