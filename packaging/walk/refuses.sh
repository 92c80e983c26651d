# Runs a command that must fail with these words and change nothing. Read by the walk's scripts.
refuses() {
    words=$1
    shift
    if said=$("$@" 2>&1); then echo "walk: $* was let through" >&2; exit 1; fi
    case $said in *"$words"*) ;; *) echo "walk: $* said: $said" >&2; exit 1 ;; esac
    for path in /usr/local/bin/grail /usr/local/share/grail /etc/grail; do
        [ ! -e $path ] || { echo "walk: $* left $path" >&2; exit 1; }
    done
}
