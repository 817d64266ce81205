# checks.sh: what iosish-with-strongswan.sh asks of a lab, to be read by a bash inside it. Each check prints a line;
# the first that fails ends the test, after what both ends say of it.
# shellcheck shell=bash
export PYTHONDONTWRITEBYTECODE=1
cd "$TOP" || exit 2
NAME=$([ "$LAB_SUT" = hub ] && echo HUB || echo SPOKE)
FAR=$(for each in $LAB_ROUTERS; do [ "$each" = "$LAB_SUT" ] || echo "$each"; done)
killed=0

ask() { rt "$LAB_SUT" .venv/bin/python -m iosish console "$NAME" "$@" 2>/dev/null; } # -c COMMAND ...

far() { local each; for each in $FAR; do "$@" "$each" || return; done; } # COMMAND: with each far router's name behind it

nbma() { # ROUTER: a pattern for its NBMA address, with or without a NAT
    local number=${1#spoke}
    [ "$1" = hub ] && number=1
    echo "172.16.\\(${number}5.2\\|95.$number\\)"
}
address() { case $1 in hub) echo 192.168.0.1 ;; *) echo "192.168.0.${1#spoke}" ;; esac; }

ok() { echo "  ok   $* ($((SECONDS - began)) s)"; }

fail() {
    echo "  FAIL $* ($((SECONDS - began)) s)"
    ask -c 'show dmvpn' -c 'show ip nhrp' -c 'show crypto isakmp sa' -c 'show crypto ipsec sa' -c 'show logging'
    local each
    for each in $FAR; do
        echo "--- $each"
        sw "$each" --list-sas
        tail -n 25 "$LAB_OUT/$each.charon.log"
    done
    exit 1
}

within() { # SECONDS WHAT COMMAND...: until the command succeeds
    local seconds=$1 what=$2 began=$SECONDS
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ $((SECONDS - began)) -lt "$seconds" ] || fail "$what"
        sleep 0.5
    done
    ok "$what"
}

at_once() { # WHAT COMMAND...: the command succeeds
    local what=$1 began=$SECONDS
    shift
    "$@" >/dev/null 2>&1 || fail "$what"
    ok "$what"
}

has() { ask -c "$1" | grep -q -- "$2"; } # COMMAND PATTERN: its screen has it

pings() { rt "$1" ping -n -q -c "${3:-3}" -i 0.3 -W 2 "$2" | grep -q ' 0% packet loss'; } # ROUTER ADDRESS [COUNT]

# Checks

up() { # who should be there is there, and all of it answers
    if [ "$LAB_SUT" = hub ]; then
        within 60 "every spoke is registered" has 'show dmvpn' "Peers:$(echo "$FAR" | wc -w)"
        within 10 "an SA for each" far established
        at_once "iosish pings the spokes" far pinged
    else
        within 60 "registered at the hub" has 'show ip nhrp nhs' '192.168.0.1 .*RE'
        at_once "QM_IDLE" has 'show crypto isakmp sa' 'QM_IDLE.*ACTIVE'
        at_once "iosish pings the hub" pinged hub
    fi
    far answers
}
established() { sw "$1" --list-sas | grep -q 'INSTALLED'; }
pinged() { ask -c "ping $(address "$1") repeat 10" | grep -q '(10/10)'; }
answers() { at_once "$1 pings iosish" pings "$1" "$(address "$LAB_SUT")"; }

direct() { # iosish and the FRR spokes find the short way, and both keep all packets
    local each
    for each in $FAR; do
        [ "$each" = hub ] && continue
        at_once "iosish pings $each, none is lost" pinged "$each"
        within 15 "iosish goes to $each directly" has 'show dmvpn' "$(nbma "$each") .* UP .* D"
        at_once "by an SA of their own" has 'show crypto isakmp sa' "$(nbma "$each") .*QM_IDLE"
        at_once "$each pings iosish on that way" one_hop "$each"
    done
}
one_hop() { rt "$1" ping -n -c 3 -i 0.3 -W 2 "$(address "$LAB_SUT")" | grep -c 'ttl=64\|ttl=255' | grep -qx 3; }

called() { # a spoke that knows iosish, and has no SA with it any more, calls: strongSwan is the initiator
    local each=${1:-spoke3} number ours
    ours=$(nbma "$LAB_SUT")
    number=$(sw "$each" --list-sas | grep -B 2 "remote.* @ $ours" | grep -oE '#[0-9]+' | head -1)
    rt "$each" ping -n -q -c 100 -i 0.02 -W 1 192.168.0.2 >/dev/null & # it needs one at once: iosish waits a moment
    sw "$each" --terminate --ike-id "${number#?}" >/dev/null 2>&1
    wait $!
    within 15 "$each has called" has 'show crypto isakmp sa' "$ours  *$(nbma "$each")  *QM_IDLE"
    at_once "and pings iosish directly" one_hop "$each"
}

modes() { # MODE as agreed
    at_once "the SAs are in $MODE mode" has 'show crypto ipsec sa' "settings ={$(echo "$MODE" | sed 's/^./\u&/')"
}

deletes() { # each end deletes; what is deleted comes again
    local first before
    first=$(echo "$FAR" | head -1)
    before=$(spis "$first")
    sw "$first" --terminate --ike dmvpn --timeout 5 >/dev/null 2>&1
    at_once "$first has deleted its SAs" [ "$before" != "$(spis "$first")" ]
    woken "$first" "$before"
    before=$(spis "$first")
    ask -c 'clear crypto session' >/dev/null
    woken "$first" "$before"
}
woken() { # ROUTER SPIS: after a while of traffic there are other SAs, and pings pass
    within 20 "$1 has new SAs" renewed "$1" "$2"
    at_once "$1 pings iosish" pings "$1" "$(address "$LAB_SUT")"
}
renewed() {
    rt "$1" ping -n -q -c 2 -i 0.3 -W 1 "$(address "$LAB_SUT")"
    local now
    now=$(spis "$1")
    [ -n "$now" ] && [ "$now" != "$2" ]
}
spis() { sw "$1" --list-sas 2>/dev/null | grep -oE '^ +(in|out) +[0-9a-f]{8}' | sort | tr -d ' \n'; }
cookies() { sw "$1" --list-sas 2>/dev/null | grep -oE '[0-9a-f]{16}_i' | sort | tr -d ' \n'; }

rekeyed() { # pings pass while both phases are made anew, and none is lost
    local first before cookies lost
    first=$(echo "$FAR" | head -1)
    before=$(spis "$first") cookies=$(cookies "$first")
    rt "$first" ping -n -q -i 0.25 -W 2 -w "${REKEY_WAIT:-60}" "$(address "$LAB_SUT")" >"/tmp/rekey.$first"
    lost=$(grep -oE '[0-9.]+% packet loss' "/tmp/rekey.$first")
    at_once "phase 2 is another" [ "$before" != "$(spis "$first")" ]
    at_once "phase 1 is another" [ "$cookies" != "$(cookies "$first")" ]
    at_once "$lost meanwhile" [ "$lost" = '0% packet loss' ]
}

watched() { # both ends ask whether the other lives, and both answer
    local first
    first=$(echo "$FAR" | head -1)
    within 25 "strongSwan's question is answered" grep -q 'parsed INFORMATIONAL_V1 request.*N(DPD_ACK)' "$LAB_OUT/$first.charon.log"
    within 25 "ours too" grep -q 'parsed INFORMATIONAL_V1 request.*N(DPD) ' "$LAB_OUT/$first.charon.log"
}

strongswan() { # start|stop|kill ROUTER
    local folder=$LAB/$2 pid root
    pid=$(cat "$folder/charon.pid")
    case $1 in
        stop) kill "$pid" && tail --pid="$pid" -f /dev/null ;;
        kill) kill -9 "$pid" && tail --pid="$pid" -f /dev/null ;;
        start)
            root=${LAB_CHROOT#chroot }
            rm -f "$folder/vici" "$root/run/charon.pid"
            STRONGSWAN_CONF=$folder/strongswan.conf rt "$2" bash -c "mount -t tmpfs tmpfs $root/run; exec $LAB_CHROOT /usr/lib/ipsec/charon" >>"$LAB_OUT/$2.charon.out" 2>&1 &
            echo $! >"$folder/charon.pid"
            until [ -S "$folder/vici" ]; do sleep 0.1; done
            sw "$2" --load-all --file "$folder/swanctl.conf" >/dev/null 2>&1
            ;;
    esac
}

far_restarts() { # strongSwan ends and comes again, then it is killed and comes again
    local how first
    first=$(echo "$FAR" | head -1)
    for how in stop kill; do
        strongswan $how "$first"
        [ $how = kill ] && rt "$first" ip xfrm state flush && rt "$first" ip xfrm policy flush
        sleep 1
        strongswan start "$first"
        within 60 "after its $how and start $first pings iosish" pings "$first" "$(address "$LAB_SUT")" 2
        pings "$first" "$(address "$LAB_SUT")" 10 || fail "and goes on"
    done
}

dies() { # DPD: a strongSwan that is killed is missed
    local first
    first=$(echo "$FAR" | head -1)
    strongswan kill "$first"
    rt "$first" ip xfrm state flush
    within 60 "its SA is gone" lacks "$(nbma "$first") .*QM_IDLE"
}
lacks() { ! has 'show crypto isakmp sa' "$1"; }

near_restarts() { # iosish ends and comes again, then it is killed and comes again
    local number
    for number in TERM KILL; do
        kill -$number "$(iosish_pid)"
        killed=$((killed + 1))
        sleep 1
        within 20 "iosish comes again after a SIG$number" has 'show clock' :
        within 90 "and has its peers" far_up
        far answers
    done
}
far_up() { far back; }
back() { pings "$1" "$(address "$LAB_SUT")" 2; }
iosish_pid() { perl -ne 'print $1 if /"pid": *(\d+)/' "/tmp/iosish/run/run-$NAME/record.json"; }

sealed() { # what left iosish's NBMA interface: ESP, and no clear GRE; and iosish never fell
    local capture=$LAB_OUT/$LAB_SUT.pcap each
    sleep 1
    for each in $FAR; do rt "$each" ip xfrm state >"$LAB_OUT/$each.keys"; done # so that the capture can be opened
    at_once "ESP on the wire" some "$capture" 'esp or (udp port 4500 and greater 100)'
    at_once "no clear GRE on the wire" none "$capture" 'ip proto 47'
    at_once "nothing inner on the wire" none "$capture" 'net 192.168.0.0/16 and not arp'
    at_once "iosish ended only when it was told to" [ "$(grep -c '^iosish ended' "$LAB_OUT/sut.log")" = $killed ]
    at_once "and complained of nothing" lacks_line "$LAB_OUT/sut.log" 'Traceback'
}
some() { [ "$(tcpdump -n -r "$1" "$2" 2>/dev/null | wc -l)" -gt 0 ]; }
none() { [ "$(tcpdump -n -r "$1" "$2" 2>/dev/null | wc -l)" -eq 0 ]; }
lacks_line() { ! grep -q "$2" "$1"; }
