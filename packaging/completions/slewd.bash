# bash completion of slewd: made from its tables, see src/cli/completions.rs
_slewd() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words=
    COMPREPLY=()
    case $COMP_CWORD:${COMP_WORDS[1]}:$before in
    *:status:-h) COMPREPLY=($(compgen -A hostname -- "$word")); return ;;
    *:status:-p) return ;;
    *:tracking:-h) COMPREPLY=($(compgen -A hostname -- "$word")); return ;;
    *:tracking:-p) return ;;
    *:sources:-h) COMPREPLY=($(compgen -A hostname -- "$word")); return ;;
    *:sources:-p) return ;;
    *:sourcestats:-h) COMPREPLY=($(compgen -A hostname -- "$word")); return ;;
    *:sourcestats:-p) return ;;
    *:selectdata:-h) COMPREPLY=($(compgen -A hostname -- "$word")); return ;;
    *:selectdata:-p) return ;;
    *:ntpdata:-h) COMPREPLY=($(compgen -A hostname -- "$word")); return ;;
    *:ntpdata:-p) return ;;
    *:authdata:-h) COMPREPLY=($(compgen -A hostname -- "$word")); return ;;
    *:authdata:-p) return ;;
    *:activity:-h) COMPREPLY=($(compgen -A hostname -- "$word")); return ;;
    *:activity:-p) return ;;
    *:serverstats:-h) COMPREPLY=($(compgen -A hostname -- "$word")); return ;;
    *:serverstats:-p) return ;;
    *:makestep:-h) COMPREPLY=($(compgen -A hostname -- "$word")); return ;;
    *:makestep:-p) return ;;
    *:burst:-h) COMPREPLY=($(compgen -A hostname -- "$word")); return ;;
    *:burst:-p) return ;;
    *:online:-h) COMPREPLY=($(compgen -A hostname -- "$word")); return ;;
    *:online:-p) return ;;
    *:offline:-h) COMPREPLY=($(compgen -A hostname -- "$word")); return ;;
    *:offline:-p) return ;;
    *:refresh:-h) COMPREPLY=($(compgen -A hostname -- "$word")); return ;;
    *:refresh:-p) return ;;
    *:reload:-h) COMPREPLY=($(compgen -A hostname -- "$word")); return ;;
    *:reload:-p) return ;;
    *:wait:--timeout) return ;;
    *:wait:--max-error) return ;;
    *:wait:--max-skew) return ;;
    *:wait:-h) COMPREPLY=($(compgen -A hostname -- "$word")); return ;;
    *:wait:-p) return ;;
    *:check:--offset-warning) return ;;
    *:check:--offset-critical) return ;;
    *:check:--error-warning) return ;;
    *:check:--error-critical) return ;;
    *:check:--age-warning) return ;;
    *:check:--age-critical) return ;;
    *:check:--agreeing-warning) return ;;
    *:check:--agreeing-critical) return ;;
    *:check:--stratum-warning) return ;;
    *:check:--stratum-critical) return ;;
    *:check:--server) COMPREPLY=($(compgen -A hostname -- "$word")); return ;;
    *:check:-h) COMPREPLY=($(compgen -A hostname -- "$word")); return ;;
    *:check:-p) return ;;
    *:metrics:--output) COMPREPLY=($(compgen -f -- "$word")); return ;;
    *:metrics:-h) COMPREPLY=($(compgen -A hostname -- "$word")); return ;;
    *:metrics:-p) return ;;
    *:cleanup:-f) COMPREPLY=($(compgen -f -- "$word")); return ;;
    *:*:-f) COMPREPLY=($(compgen -f -- "$word")); return ;;
    *:*:-l) COMPREPLY=($(compgen -f -- "$word")); return ;;
    *:*:-L) return ;;
    *:*:-t) return ;;
    *:*:-u) COMPREPLY=($(compgen -u -- "$word")); return ;;
    *:*:-F) return ;;
    *:*:-P) return ;;
    *:*:-N) return ;;
    *:*:--record) COMPREPLY=($(compgen -f -- "$word")); return ;;
    1:*) words="status tracking sources sourcestats selectdata ntpdata authdata activity serverstats makestep burst online offline refresh reload wait check metrics cleanup query demo -f -n -d -l -L -p -q -Q -t -R -s -u -U -F -P -m -x -r -4 -6 -N --client-only --record -v -h" ;;
    *:status:*) words="--watch -c --json -h -p --help" ;;
    *:tracking:*) words="-c --json -N -n -h -p --help" ;;
    *:sources:*) words="-a -v -c --json -N -n -h -p --help" ;;
    *:sourcestats:*) words="-a -v -c --json -N -n -h -p --help" ;;
    *:selectdata:*) words="-a -v -c --json -N -n -h -p --help" ;;
    *:ntpdata:*) words="-c --json -h -p --help" ;;
    *:authdata:*) words="-a -v -c --json -N -n -h -p --help" ;;
    *:activity:*) words="-c --json -h -p --help" ;;
    *:serverstats:*) words="-c --json -h -p --help" ;;
    *:makestep:*) words="-h -p --help" ;;
    *:burst:*) words="-h -p --help" ;;
    *:online:*) words="-h -p --help" ;;
    *:offline:*) words="-h -p --help" ;;
    *:refresh:*) words="-h -p --help" ;;
    *:reload:*) words="-h -p --help" ;;
    *:wait:*) words="--timeout --max-error --max-skew --running -h -p --help" ;;
    *:check:*) words="--offset-warning --offset-critical --error-warning --error-critical --age-warning --age-critical --agreeing-warning --agreeing-critical --stratum-warning --stratum-critical --kernel --server -h -p --help" ;;
    *:metrics:*) words="--output -h -p --help" ;;
    *:cleanup:*) words="-f --help" ;;
    *:query:*) words="-4 -6 --clocks --help $(compgen -A hostname)" ;;
    *:demo:*) words="--help" ;;
    *:*:*) words="-f -n -d -l -L -p -q -Q -t -R -s -u -U -F -P -m -x -r -4 -6 -N --client-only --record -v -h --help" ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -F _slewd slewd
