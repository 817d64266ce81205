#!/usr/bin/env bash
# protected.sh hub|spoke: print the configuration of a protected router: hub.cfg or spoke.cfg with crypto around it.
# The environment says how: $LAB_NBMA, $LAB_TUN, $LAB_HUB_NBMA, $LAB_PSK as the lab gives them, IKE and ESP as strongSwan's
# proposals, MODE transport or tunnel; where they are set KEEPALIVE (as 10_periodic), ISAKMP_LIFE and IPSEC_LIFE in seconds.
set -eu
: "${IKE:=aes128-sha1-modp1024}" "${ESP:=aes128-sha1}" "${MODE:=transport}"
here=$(cd "$(dirname "$0")" && pwd)

ike() { # PROPOSAL: the lines of a policy
    local word
    for word in ${1//-/ }; do
        case $word in
            des | 3des) echo " encr $word" ;;
            aes*) echo " encr aes ${word#aes}" ;;
            md5) echo " hash md5" ;;
            sha1) echo " hash sha" ;;
            sha*) echo " hash $word" ;;
            modp768) echo " group 1" ;;
            modp1024) echo " group 2" ;;
            modp1536) echo " group 5" ;;
            modp2048) echo " group 14" ;;
            modp3072) echo " group 15" ;;
            modp4096) echo " group 16" ;;
            ecp256) echo " group 19" ;;
            ecp384) echo " group 20" ;;
            ecp521) echo " group 21" ;;
            *) echo "protected.sh: no IOS line for $word" >&2 && return 2 ;;
        esac
    done
}

esp() { # PROPOSAL: the transforms of a set
    local word
    for word in ${1//-/ }; do
        case $word in
            aes*gcm16) word=${word#aes} && echo -n " esp-gcm ${word%gcm16}" ;;
            aes*) echo -n " esp-aes ${word#aes}" ;;
            des | 3des | null) echo -n " esp-$word" ;;
            sha1) echo -n " esp-sha-hmac" ;;
            md5 | sha*) echo -n " esp-$word-hmac" ;;
            *) echo "protected.sh: no IOS line for $word" >&2 && return 2 ;;
        esac
    done
}

cat <<X
crypto isakmp policy 10
$(ike "$IKE")
 authentication pre-share
${ISAKMP_LIFE:+ lifetime $ISAKMP_LIFE}
crypto isakmp key $LAB_PSK address 0.0.0.0 0.0.0.0
${KEEPALIVE:+crypto isakmp keepalive ${KEEPALIVE//_/ }}
${IPSEC_LIFE:+crypto ipsec security-association lifetime seconds $IPSEC_LIFE}
crypto ipsec transform-set LAB$(esp "$ESP")
 mode $MODE
crypto ipsec profile LAB
 set transform-set LAB
X
sed "s/nbma 172\.16\.15\.2/nbma ${LAB_HUB_NBMA-}/; s/address 172.*/address $LAB_NBMA 255.255.255.0/
    s/address 192.*/address $LAB_TUN 255.255.255.0/" "$here/$1.cfg"
echo " tunnel protection ipsec profile LAB"
