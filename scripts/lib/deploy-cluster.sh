# shellcheck shell=bash
# What scripts/deploy knows of the cluster and asks of its hosts, before and while it changes them. What is done on a
# host, is done there: lib/deploy-host.

declare -A address roles low deployed current former toml key architecture uncertain
all=() file_lines=() former_facts=()

# read_cluster: sets all (names), address, roles, low by name, and file_lines, from covey's listing of the file.
read_cluster() {
    local covey=${COVEY:-} kind a b c d
    [[ -n $covey || ! -x $COVEY_ROOT/.build/release/covey ]] || covey=$COVEY_ROOT/.build/release/covey
    [[ -n $covey ]] || covey=$(command -v covey) || die "the covey program is missing: swift build -c release, or install the package covey"
    config=$(readlink -e "$config") || die "$config cannot be read"
    "$covey" check --config "$config" --format hosts >"$work/listing" || exit
    while IFS=$'\t' read -r kind a b c d; do
        case $kind in
        host)
            all+=("$a")
            address[$a]=$b roles[$a]=$c low[$a]=$d
            ;;
        file) file_lines+=("$a"$'\t'"$b"$'\t'"$c"$'\t'"$d") ;;
        esac
    done <"$work/listing"
    toml_sum=$(sum "$config")
    # The listing begins its files with the key.
    IFS=$'\t' read -r _ _ _ key_file <<<"${file_lines[0]}"
    [[ -r $key_file ]] || die "$key_file (cluster.key_file) cannot be read"
    key_sum=$(sum "$key_file")
    [[ $key_file != "${config%/*}"/* ]] || key_file=/etc/covey/${key_file#"${config%/*}"/}
}

sum() { sha256sum "$1" | cut -d ' ' -f 1; }

has_role() { [[ ,${roles[$1]} == *",$2="* ]]; }

select_hosts() {
    local name
    ((${#selected[@]})) || selected=("${all[@]}")
    for name in "${selected[@]}"; do
        [[ -n ${address[$name]:-} ]] || die "--host $name: $config has no such host; it has: ${all[*]}"
    done
}

# read_packages: sets version.
read_packages() {
    local files=("$packages"/covey_*.deb) package
    [[ -f ${files[0]} ]] || die "there are no packages in $packages: run scripts/package first, or name their directory with --packages"
    ((${#files[@]} == 1)) || die "$packages has packages of several versions: leave one"
    version=$(dpkg-deb --field "${files[0]}" Version)
    for package in covey covey-milter covey-pop3d; do
        [[ -f $(package_file "$package") ]] || die "$(package_file "$package") is missing"
    done
}

package_file() {
    local arch
    arch=$(dpkg-deb --field "$packages"/covey_*.deb Architecture)
    printf '%s/%s_%s_%s.deb\n' "$packages" "$1" "$version" "$arch"
}

# packages_of HOST: the packages it needs.
packages_of() {
    local list=covey
    ! has_role "$1" proxy || list+=" covey-pop3d"
    ! has_role "$1" hub || list+=" covey-milter"
    printf '%s\n' "$list"
}

# manifest_of HOST: a line for each file that it is to have: checksum, mode, group, path below /etc/covey. Files that
# cluster.toml names elsewhere have the checksum "-".
manifest_of() {
    local line name reader secret path folder=${config%/*}
    has_role "$1" hub || has_role "$1" proxy || return 0
    printf '%s 0644 root cluster.toml\n' "$toml_sum"
    for line in "${file_lines[@]}"; do
        IFS=$'\t' read -r name reader secret path <<<"$line"
        [[ $reader != proxy ]] || has_role "$1" proxy || continue
        if [[ $path != "$folder"/* ]]; then
            printf -- '- - %s %s\n' "$name" "$path"
            continue
        fi
        [[ -r $path ]] || die "$path ($name in $config) cannot be read; $1 needs it"
        if [[ $secret == secret ]]; then
            printf '%s 0640 covey %s\n' "$(sum "$path")" "${path#"$folder"/}"
        else
            printf '%s 0644 root %s\n' "$(sum "$path")" "${path#"$folder"/}"
        fi
    done
}

# --- hosts -----------------------------------------------------------------------------------------------------------

# on_host HOST COMMAND: runs a line of shell there, as root.
on_host() {
    local command
    command="if [ \"\$(id -u)\" = 0 ]; then $2; else exec sudo -n sh -c $(printf '%q' "$2"); fi"
    # shellcheck disable=SC2086  # words of a command
    ${COVEY_SSH:-ssh} -o BatchMode=yes -o ControlMaster=auto -o "ControlPath=$work/%C" -o ControlPersist=60 \
        "${address[$1]}" "$command"
}

close_connections() {
    local name
    for name in "${all[@]}"; do
        # shellcheck disable=SC2086
        ${COVEY_SSH:-ssh} -o "ControlPath=$work/%C" -O exit "${address[$name]}" >/dev/null 2>&1 || :
    done
}

# host_script HOST ACTION: runs lib/deploy-host there.
host_script() {
    local manifest trusted='' other lenient=no
    ((${left_to_do:-0} == 0)) || lenient=yes
    manifest=$(manifest_of "$1") || exit
    for other in "${all[@]}"; do
        if has_role "$other" proxy || has_role "$other" hub; then trusted+=" ${address[$other]}"; fi
    done
    {
        # shellcheck disable=SC2016
        printf '%s=%q\n' action "$2" host_roles "${roles[$1]}" low_ports "${low[$1]}" wanted "$(packages_of "$1")" \
            version "${version:-}" deployment "${deployment:-}" manifest "$manifest" trusted "${trusted# }" \
            address "${address[$1]}" key_file "$key_file" \
            lenient "$lenient"
        cat "$COVEY_LIB/deploy-host"
    } | on_host "$1" "bash -s"
}

# ask_hosts: sets what each host of the cluster is like now.
ask_hosts() {
    local name field value
    for name in "${all[@]}"; do
        if ! host_script "$name" facts >"$work/facts" 2>"$work/errors"; then
            uncertain[$name]=$(tail -n 1 "$work/errors")
            [[ " ${selected[*]} " != *" $name "* ]] ||
                die "$name (${address[$name]}) cannot be asked: ${uncertain[$name]:-ssh failed}. Nothing was changed anywhere." \
                    "Log in by hand first (ssh ${address[$name]}), or leave it out: name the others with --host"
            continue
        fi
        while read -r field value; do
            case $field in
            toml) toml[$name]=$value ;;
            key) key[$name]=$value ;;
            current) current[$name]=$value ;;
            former) former[$name]=$value ;;
            deployed) deployed[$name]=$value ;;
            architecture) architecture[$name]=$value ;;
            esac
        done <"$work/facts"
    done
}

installed() { printf '%s\n' "${current[$1]:-no package}"; }

# check_agreement: stops if hosts would have different files afterwards, or have another key now.
check_agreement() {
    local name changes=no wrong=() line arch
    arch=$(dpkg-deb --field "$packages"/covey_*.deb Architecture)
    for name in "${selected[@]}"; do
        [[ ${architecture[$name]} == "$arch" ]] || die "$name is ${architecture[$name]}, the packages are for $arch"
        [[ -n $(manifest_of "$name") ]] || continue
        [[ ${toml[$name]} == "$toml_sum" ]] || changes=yes
        [[ ${key[$name]} == none || ${key[$name]} == "$key_sum" ]] ||
            die "$name has another cluster.key. Nothing was changed. A cluster changes its key with all daemons stopped:" \
                "README, \"change the key\"; then copy the key by hand"
    done
    for name in "${all[@]}"; do
        [[ " ${selected[*]} " != *" $name "* ]] || continue
        [[ -n $(manifest_of "$name") ]] || continue
        if [[ -n ${uncertain[$name]+set} ]]; then
            if [[ $changes == yes ]]; then
                wrong+=("$name cannot be asked (${uncertain[$name]})")
            else
                warn "$name cannot be asked; the hosts at hand have this $(basename "$config") already, so it is only left out"
            fi
        elif [[ ${toml[$name]} == none ]]; then
            warn "$name has no cluster.toml yet"
        elif [[ ${toml[$name]} != "$toml_sum" ]]; then
            wrong+=("$name has another one (sha256 ${toml[$name]:0:12}, here ${toml_sum:0:12})")
        elif [[ ${key[$name]} != none && ${key[$name]} != "$key_sum" ]]; then
            wrong+=("$name has another cluster.key")
        fi
    done
    ((${#wrong[@]})) || return 0
    for line in "${wrong[@]}"; do warn "hosts would disagree on $config: $line"; done
    [[ $partial == no ]] || return 0
    die "nothing was changed. Deploy to all hosts (no --host), or say --partial and bring the others up soon: a message and" \
        "its deletion may get different ids while hosts disagree"
}

# choose_deployment: sets deployment, a time, which tells deployments apart: a rollback takes back the newest, whole. One
# that goes on where another stopped, or left hosts out, is part of it: hosts have this version already, whichever run put
# it there.
choose_deployment() {
    local name newest=0
    deployment=0
    for name in "${all[@]}"; do
        ((${deployed[$name]:-0} <= newest)) || newest=${deployed[$name]}
        [[ ${current[$name]:-} == "$version" ]] || continue
        ((${deployed[$name]:-0} <= deployment)) || deployment=${deployed[$name]}
    done
    for name in "${selected[@]}"; do
        [[ ${current[$name]:-} != "$version" ]] || continue
        # Packages that came after that deployment are not what it left: this is a way back, and one of its own.
        ((${deployed[$name]:-0} < deployment)) || deployment=0
    done
    ((deployment == 0)) || return 0
    # Newer than all others, by whatever clock these came.
    deployment=$(date +%s)
    ((deployment > newest)) || deployment=$((newest + 1))
}

# choose_rollback: sets undo, the newest deployment on the hosts at hand.
choose_rollback() {
    local name
    undo=0
    for name in "${selected[@]}"; do
        ((${deployed[$name]:-0} <= undo)) || undo=${deployed[$name]}
    done
    ((undo)) || die "no host has packages that scripts/deploy put there: nothing was changed"
    for name in "${selected[@]}"; do
        [[ ${deployed[$name]:-} == "$undo" ]] || continue
        [[ -n ${former[$name]:-} ]] || die "$name has ${current[$name]} and keeps no packages from before: nothing was changed." \
            "If it is new in the cluster: name the others with --host"
        former_facts+=("$name: ${current[$name]} -> ${former[$name]}")
    done
    say "Taking back the deploy of $(date -d "@$undo" '+%Y-%m-%d %H:%M:%S'):"
    printf '  %s\n' "${former_facts[@]}"
}

# --- steps -----------------------------------------------------------------------------------------------------------

# deploy_host HOST: 0 when it is done and healthy. Prints what was done, and nothing where nothing was to be done.
deploy_host() {
    local stage=$work/stage package status=0
    if [[ $dry == yes ]]; then
        host_script "$1" plan | sed 's/^/  /'
        return "${PIPESTATUS[0]}"
    fi
    host_script "$1" plan >"$work/plan" || { cat "$work/plan"; return 1; }
    if grep -qE '^(would install|would put)' "$work/plan"; then
        rm -rf "$stage"
        mkdir -p "$stage/packages" "$stage/etc"
        if grep -q '^would install' "$work/plan"; then
            for package in $(packages_of "$1"); do cp "$(package_file "$package")" "$stage/packages/" || return 1; done
        fi
        stage_files "$1" "$stage/etc" || return 1
        # shellcheck disable=SC2016  # expanded there
        tar -C "$stage" -cf - packages etc | on_host "$1" \
            'umask 077; d=/var/lib/covey/incoming; rm -rf "$d" && mkdir -p "$d" && tar -C "$d" -xf - --no-same-owner' ||
            { say "  the files could not be copied to it"; return 1; }
    fi
    host_script "$1" apply | tee "$work/done" | sed 's/^/  /' || status=1
    [[ -s $work/done || $status != 0 ]] || say "  nothing to change"
    # Told by the host's script: something that is not for a script to do.
    ! on_host "$1" 'test -e /run/covey-deploy.left' </dev/null || left_to_do=1
    return "$status"
}

stage_files() {
    local checksum path
    while read -r checksum _ _ path; do
        [[ $checksum != - ]] || continue
        # The file itself may have another name here.
        if [[ $path == cluster.toml ]]; then
            install -m 600 "$config" "$2/$path" || return 1
        else
            install -D -m 600 "${config%/*}/$path" "$2/$path" || return 1
        fi
    done < <(manifest_of "$1")
}

roll_back_host() {
    if [[ $dry == yes ]]; then
        say "  would install ${former[$1]} and restart"
        return
    fi
    host_script "$1" rollback | sed 's/^/  /'
}

# stopped HOST: tells how to go on, and ends.
stopped() {
    local name rest=no not_touched=()
    for name in "${selected[@]}"; do
        [[ $rest == no ]] || not_touched+=("$name")
        [[ $name != "$1" ]] || rest=yes
    done
    {
        say
        say "Stopped at $1: the reason is above."
        ((${#done_hosts[@]} == 0)) || say "Done and healthy: ${done_hosts[*]}"
        ((${#not_touched[@]} == 0)) || say "Not touched: ${not_touched[*]}"
        if [[ $rollback == yes ]]; then
            say "Repair it, then go on:    ${again[*]} --rollback"
        else
            say "Repair it, then go on:    ${again[*]}"
            say "  (what is done is left alone)"
            if ((${#current[@]})); then
                say "or go back:               ${again[*]} --rollback"
                say "  (to the packages before, on every host that has the new ones)"
            fi
        fi
    } >&2
    exit 1
}
