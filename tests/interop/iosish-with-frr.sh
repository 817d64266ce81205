#!/usr/bin/env bash
# iosish-with-frr.sh: iosish as the hub of FRR spokes, then as a spoke of an FRR hub beside an FRR spoke, in clear,
# on kernel mGRE at the far ends. Needs what README.md here lists, and iosish/setup to have run. Exit status 0: both work.
set -u
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
export LAB_ENV="IOSISH_STATE_DIR=/tmp/iosish XDG_RUNTIME_DIR=/tmp/iosish TOP=$top HERE=$here"
router='cd $TOP && exec .venv/bin/python -m iosish run $HERE/iosish'
console='.venv/bin/python -m iosish console'
failed=0

"$here/frr-strongswan-hub/lab.sh" --spokes 2 --no-shortcut --sut hub \
    --sut-cmd "$router/hub.cfg --interface FastEthernet0/0=eth0" \
    --sut-wait 'ip -br a show Tunnel0 | grep 192.168' \
    --run "cd $top; until rt hub $console HUB -c 'show dmvpn' 2>/dev/null | grep -q Peers:2; do sleep 0.5; done
        rt spoke2 ping -c 3 192.168.0.1 && rt spoke2 ping -c 3 192.168.0.3 && rt hub $console HUB -c 'show dmvpn'" ||
    failed=1

"$here/frr-strongswan-hub/lab.sh" --spokes 2 --sut spoke2 \
    --sut-cmd "$router/spoke.cfg --interface FastEthernet0/0=eth0" \
    --run "cd $top; until rt spoke2 $console SPOKE -c 'show ip nhrp nhs' 2>/dev/null | grep -q RE; do sleep 0.5; done
        rt spoke2 $console SPOKE -c 'ping 192.168.0.3 repeat 20' -c 'show dmvpn' | tee /dev/stderr | grep -q '(20/20)' &&
        rt spoke2 $console SPOKE -c 'show dmvpn' | grep -q '172.16.35.2 .* D' && rt spoke3 ping -c 3 192.168.0.2" ||
    failed=1

[ $failed = 0 ] && echo "FRR: both ways work"
exit $failed
