# Secrets: lithos_crypt (A-130 to A-133, A-139).
bats_require_minimum_version 1.5.0

SECRET='v2:i4+dWTpg:KqWSX0BY:8MtOoWUX:EyxEK+AQ+9V+cmAzKKp25x/MwVA6riGTJ9FNnJmT9HLomKMXBeuQbrqP8GbPcBNMh8Sb7Gfv0G3k5GWaMogvjg=='

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    echo 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4 test-key' > key.pub
    cat > key <<'KEY'
-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW
QyNTUxOQAAACADoQe/884Qvh1w3RjnS8CZZ+TWMJulDV8d3IZkElUxuAAAAJABAgMEAQID
BAAAAAtzc2gtZWQyNTUxOQAAACADoQe/884Qvh1w3RjnS8CZZ+TWMJulDV8d3IZkElUxuA
AAAEAAAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHwOhB7/zzhC+HXDdGOdLwJln
5NYwm6UNXx3chmQSVTG4AAAACHRlc3Qta2V5AQIDBAU=
-----END OPENSSH PRIVATE KEY-----
KEY
    cat > other <<'KEY'
-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW
QyNTUxOQAAACBIFJMo+R2svy0kgO2IoxBoNcqMTb1ef/uerAhrb8eJCAAAAJDSuTlp0rk5
aQAAAAtzc2gtZWQyNTUxOQAAACBIFJMo+R2svy0kgO2IoxBoNcqMTb1ef/uerAhrb8eJCA
AAAEC6rpGCHx0RCT/lhFs4nyeAHO3pxddcO+pyZWEvNUu2LEgUkyj5Hay/LSSA7YijEGg1
yoxNvV5/+56sCGtvx4kIAAAACW90aGVyLWtleQECAwQ=
-----END OPENSSH PRIVATE KEY-----
KEY
    echo 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEgUkyj5Hay/LSSA7YijEGg1yoxNvV5/+56sCGtvx4kI other-key' > other.pub
}

# refused PART ARGUMENT…: exit 1, the message holds PART, nothing on stdout.
refused() {
    local part=$1
    shift
    run --separate-stderr lithos_crypt "$@"
    [ "$status" -eq 1 ] && [ -z "$output" ] && [[ "$stderr" == *"$part"* ]] || { echo "$status: $output: $stderr"; false; }
}

@test "the vector of the format is opened (A-130)" {
    run --separate-stderr lithos_crypt decrypt -i key -d "$SECRET"
    [ "$status" -eq 0 ]
    [ "$output" = the_secret ]
    [ "$stderr" = myapp: ]
    lithos_crypt decrypt -i key -d "$SECRET" 2>/dev/null > out
    [ "$(wc -c < out)" -eq 10 ]
}

@test "what is encrypted comes back; only the payload differs (A-131)" {
    one=$(lithos_crypt encrypt -k key.pub -n web.1 -d 'a: b')
    two=$(lithos_crypt encrypt --key-file key.pub --namespace=web.1 --data 'a: b')
    [ "${one%:*}" = "${two%:*}" ] && [ "$one" != "$two" ]
    run --separate-stderr lithos_crypt decrypt -i key -d "$one"
    [ "$output" = 'a: b' ] && [ "$stderr" = web.1: ]
    run --separate-stderr lithos_crypt decrypt -i key -d "$(lithos_crypt encrypt -k key.pub -d x)"
    [ "$output" = x ] && [ "$stderr" = : ]
}

@test "the data may come from standard input, where nobody sees it" {
    run --separate-stderr lithos_crypt decrypt -i key < <(printf 'hunter2\n' | lithos_crypt encrypt -k key.pub)
    [ "$status" -eq 0 ] && [ "$output" = hunter2 ]
}

@test "whatever does not fit is refused, never a crash (A-132)" {
    refused 'another key' decrypt -i other -d "$SECRET"
    refused 'cannot be decrypted' decrypt -i key -d "${SECRET/EyxEK/EyxEL}"
    refused 'hash of the namespace' decrypt -i key -d "${SECRET/KqWSX0BY/KqWSX0BZ}"
    refused 'hash of the secret' decrypt -i key -d "${SECRET/8MtOoWUX/8MtOoWUY}"
    refused 'another key' decrypt -i key -d "${SECRET/i4+dWTpg/i4+dWTph}"
    refused '"v1"' decrypt -i key -d "${SECRET/v2/v1}"
    refused 'form' decrypt -i key -d "${SECRET%:*}"
    refused 'form' decrypt -i key -d "$SECRET:x"
    refused 'too short' decrypt -i key -d "${SECRET%:*}:AAAA"
    refused 'base64' decrypt -i key -d "${SECRET%:*}:!"
    refused 'form' decrypt -i key -d ''
    refused 'Namespace' encrypt -k key.pub -n a:b -d x
}

@test "check-key compares keys only (A-133)" {
    run lithos_crypt check-key -k key.pub -d "$SECRET"
    [ "$status" -eq 0 ] && [ -z "$output" ]
    refused 'another key' check-key -k other.pub -d "$SECRET"
}

@test "each of two keys in one file is used (A-139)" {
    cat other key > both
    run --separate-stderr lithos_crypt decrypt -i both -d "$SECRET"
    [ "$status" -eq 0 ] && [ "$output" = the_secret ]
    run --separate-stderr lithos_crypt decrypt -i both -d "$(lithos_crypt encrypt -k other.pub -d y)"
    [ "$status" -eq 0 ] && [ "$output" = y ]
}

@test "keys of ssh-keygen: ed25519 works, with a password or of another kind it is refused" {
    command -v ssh-keygen >/dev/null || skip 'no ssh-keygen'
    ssh-keygen -q -t ed25519 -N '' -f fresh
    [ "$(lithos_crypt decrypt -i fresh -d "$(lithos_crypt encrypt -k fresh.pub -d z)" 2>/dev/null)" = z ]
    ssh-keygen -q -t ed25519 -N password -f locked
    refused 'password' decrypt -i locked -d "$SECRET"
    ssh-keygen -q -t rsa -b 1024 -N '' -f rsa
    refused 'ssh-rsa' encrypt -k rsa.pub -d x
    refused 'ssh-rsa' decrypt -i rsa -d "$SECRET"
}

@test "usage errors end with 1, help and version with 0" {
    refused 'Usage' decrypt --nix
    refused 'Unknown command' open
    refused 'required' encrypt -d x
    refused 'nowhere' encrypt -k nowhere -d x
    run lithos_crypt --version
    [ "$status" -eq 0 ] && [[ "$output" =~ ^lithos_crypt\ [0-9.]+$ ]]
    run lithos_crypt -V
    [ "$status" -eq 0 ]
    run lithos_crypt --help
    [ "$status" -eq 0 ] && [[ "$output" == *decrypt* ]]
    run lithos_crypt encrypt --help
    [ "$status" -eq 0 ] && [[ "$output" == *--namespace* ]]
}
