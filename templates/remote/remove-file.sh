# remove-file PATH LOCK WITHIN: removes the file, and the folder of ours that it leaves empty. Exits 75 when a pull holds the lock.
set -eu
PATH=/usr/sbin:/usr/bin:/sbin:/bin; export PATH
path=$1 lock=$2 within=$3
between_pulls "$lock"
rm -f -- "$path"
[ -n "$within" ] || exit 0
folder=$(dirname -- "$path")
while case $folder/ in "$within"/*) true ;; *) false ;; esac; do
    [ ! -e "$folder" ] || rmdir -- "$folder" 2>/dev/null || exit 0
    folder=$(dirname -- "$folder")
done
