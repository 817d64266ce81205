#!/usr/bin/env bash
# iosish-with-strongswan.sh: iosish with IPsec peers that are strongSwan, kernel mGRE and FRR nhrpd, as the hub of such
# spokes and as a spoke of such a hub, in a User Mode Linux. Needs what README.md here lists, and iosish/setup to have run.
usage() {
    cat <<'U'
iosish-with-strongswan.sh [--root DIR] [--out DIR] [--list] [SCENARIO...]
  SCENARIO   its name, or a pattern as spoke-'*'; without any: all
  --root DIR the far ends' FRR and strongSwan from DIR (debian-root.sh make trixie DIR), not this machine's
  --out DIR  logs and captures of each in DIR/SCENARIO; without it they are gone at the end
  --list     the scenarios, and how each is made
Exit status: 0 all passed, 1 one did not, 2 usage.
U
}
set -u
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
router='cd $TOP && $HERE/iosish/protected.sh $ROLE >/tmp/$ROLE.cfg && while :; do
    .venv/bin/python -m iosish run /tmp/$ROLE.cfg --interface FastEthernet0/0=eth0; echo "iosish ended: $?"; done'

# name            SUT    IKE                     ESP             mode      checks (checks.sh)       what else
scenarios='
hub-aes           hub    aes128-sha1-modp1024    aes128-sha1     transport up,modes,deletes
hub-des           hub    des-sha1-modp768        des-md5         tunnel    up,modes
hub-3des          hub    3des-md5-modp1024       3des-sha1       transport up
hub-aes256        hub    aes256-sha256-modp2048  aes256-sha256   tunnel    up,modes
hub-gcm           hub    aes128-sha512-ecp256    aes128gcm16     transport up
spoke-aes         spoke2 aes128-sha1-modp1024    aes128-sha1     transport up,direct,modes,deletes
spoke-des         spoke2 des-sha1-modp768        des-md5         tunnel    up,direct,modes
spoke-3des        spoke2 3des-md5-modp1024       3des-sha1       transport up,direct
spoke-aes256      spoke2 aes256-sha256-modp2048  aes256-sha256   tunnel    up,direct
spoke-gcm         spoke2 aes128-sha512-ecp256    aes128gcm16     transport up,direct
spoke-called      spoke2 aes128-sha1-modp1024    aes128-sha1     transport up,direct,called
hub-nat-spoke     hub    aes128-sha1-modp1024    aes128-sha1     transport up,deletes               --nat spoke2
hub-nat-spokes    hub    aes128-sha1-modp1024    aes128-sha1     transport up,deletes               --nat spoke2,spoke3 --nat-static
hub-nat-hub       hub    aes128-sha1-modp1024    aes128-sha1     transport up,deletes               --nat hub
spoke-nat-spoke   spoke2 aes128-sha1-modp1024    aes128-sha1     transport up,deletes               --nat spoke2
spoke-nat-static  spoke2 aes128-sha1-modp1024    aes128-sha1     transport up,direct                --nat spoke2,spoke3 --nat-static
spoke-nat-hub     spoke2 aes128-sha1-modp1024    aes128-sha1     transport up,deletes               --nat hub
hub-rekey         hub    aes128-sha1-modp1024    aes128-sha1     transport up,rekeyed               LAB_ESP_LIFE=20s LAB_IKE_LIFE=25s REKEY_WAIT=45
spoke-rekey       spoke2 aes128-sha1-modp1024    aes128-sha1     transport up,rekeyed               LAB_ESP_LIFE=20s LAB_IKE_LIFE=25s REKEY_WAIT=45
hub-rekeys        hub    aes128-sha1-modp1024    aes128-sha1     transport up,rekeyed               IPSEC_LIFE=120 ISAKMP_LIFE=60 REKEY_WAIT=130
spoke-rekeys      spoke2 aes128-sha1-modp1024    aes128-sha1     transport up,rekeyed               IPSEC_LIFE=120 ISAKMP_LIFE=60 REKEY_WAIT=130
hub-dpd           hub    aes128-sha1-modp1024    aes128-sha1     transport up,watched,dies          KEEPALIVE=10_periodic LAB_DPD=4s
spoke-dpd         spoke2 aes128-sha1-modp1024    aes128-sha1     transport up,watched,dies          KEEPALIVE=10_periodic LAB_DPD=4s
hub-far-restart   hub    aes128-sha1-modp1024    aes128-sha1     transport up,far_restarts          --holdtime 30 KEEPALIVE=10_periodic
spoke-far-restart spoke2 aes128-sha1-modp1024    aes128-sha1     transport up,far_restarts          --holdtime 30 KEEPALIVE=10_periodic
hub-restart       hub    aes128-sha1-modp1024    aes128-sha1     transport up,near_restarts         --holdtime 30
spoke-restart     spoke2 aes128-sha1-modp1024    aes128-sha1     transport up,near_restarts         --holdtime 30
'

run() { # NAME SUT IKE ESP MODE CHECKS [LAB OPTION|NAME=VALUE]...
    local name=$1 sut=$2 checks=$6 options=() role=${2%2} word
    export LAB_ENV="TOP=$top HERE=$here IOSISH_STATE_DIR=/tmp/iosish XDG_RUNTIME_DIR=/tmp/iosish IKE=$3 ESP=$4 MODE=$5 ROLE=$role"
    [ -z "$out" ] || options+=(--out "$out/$name")
    [ -z "$root" ] || options+=(--root "$root")
    [ "$sut" != hub ] || options+=(--no-shortcut --sut-wait 'ss -Hlun sport = :500 | grep .')
    options+=(--spokes 2 --crypto ikev1 --ike "$3" --esp "$4" --mode "$5" --sut "$sut" --pcap)
    shift 6
    for word in "$@"; do
        case $word in *=*) LAB_ENV="$LAB_ENV $word" ;; *) options+=("$word") ;; esac
    done
    LAB_TIMEOUT=${LAB_TIMEOUT:-400} LAB_TAIL=${LAB_TAIL:-60} "$here/frr-strongswan-hub/lab.sh" "${options[@]}" \
        --sut-cmd "$router" --run ". $here/iosish/checks.sh; for check in ${checks//,/ } sealed; do \$check; done" </dev/null
}

root='' out='' list='' names=()
while [ $# -gt 0 ]; do
    case $1 in
        --root | --out) [ $# -gt 1 ] || { usage >&2 && exit 2; } ;;&
        --root) root=$(cd "$2" && pwd) && shift || exit 2 ;;
        --out) mkdir -p "$2" && out=$(cd "$2" && pwd) && shift || exit 2 ;;
        --list) list=yes ;;
        -h | --help) usage && exit ;;
        -*) usage >&2 && exit 2 ;;
        *) names+=("$1") ;;
    esac
    shift
done
[ ${#names[@]} -gt 0 ] || names=('*')

lines='' failed=0
for pattern in "${names[@]}"; do
    found=''
    while read -r line; do
        # shellcheck disable=SC2053 # a pattern
        [ -n "$line" ] && [[ ${line%% *} == $pattern ]] && found=yes && lines+=$line$'\n'
    done <<<"$scenarios"
    [ -n "$found" ] || { echo "iosish-with-strongswan.sh: no scenario $pattern (--list)" >&2 && exit 2; }
done
[ -z "$list" ] || { printf '%s' "$lines" && exit; }
results=''
while read -r -a words; do
    [ ${#words[@]} -gt 0 ] || continue
    echo "== ${words[*]}"
    began=$SECONDS
    if run "${words[@]}"; then verdict=pass; else verdict=FAIL failed=1; fi
    results+="$verdict ${words[0]} ($((SECONDS - began)) s)"$'\n'
done <<<"$lines"
printf '%s' "$results"
exit $failed
