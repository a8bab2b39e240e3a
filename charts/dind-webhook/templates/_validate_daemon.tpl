{{/* Flags and configuration of the DaemonSet's dockerd. */}}
{{- define "dind-webhook.validate.daemon" -}}
{{- $v := .Values.daemonset -}}
{{- $config := $v.config | default dict -}}
{{- $flags := include "dind-webhook.daemonFlags" . | fromJsonArray -}}
{{- $directives := include "dind-webhook.daemonDirectives" . | fromJsonArray -}}
{{- /* What neither may set, by the name of the flag, with the remedy. `--host` may: each adds an address. */ -}}
{{- $determined := dict
      "data-root" "set daemonset.storage instead"
      "exec-root" "remove it"
      "pidfile" "remove it"
      "group" "set settings.injection.defaults.group instead" -}}
{{- if dig "start_script" true (.Values.settings.injection | default dict) -}}
{{- $_ := set $determined "cgroup-parent" "remove it" -}}
{{- end -}}
{{- if $v.metrics.enabled -}}
{{- $_ := set $determined "metrics-addr" "set daemonset.metrics.port instead" -}}
{{- end -}}
{{- $conflicting := dict -}}
{{- range $flag := $flags -}}
{{- with get $determined $flag.name }}
daemonset.extraArgs has {{ $flag.text }}, which the chart determines: {{ . }}
{{- end }}
{{- if and $config (eq $flag.name "config-file") }}
daemonset.extraArgs has --config-file, and daemonset.config is set too: choose one
{{- end }}
{{- if and $v.metrics.enabled (eq $flag.name "host") (regexMatch (printf "^(tcp://)?[^/]*:%d(/.*)?$" (int $v.metrics.port)) $flag.value) }}
daemonset.extraArgs has {{ $flag.text }} with port {{ $v.metrics.port }}, which is daemonset.metrics.port too: set different ports
{{- end }}
{{- /* Lists have the plural of the flag as their name. */ -}}
{{- range $name := list $flag.name (printf "%ss" $flag.name) (regexReplaceAll "y$" $flag.name "ies") -}}
{{- $_ := set $conflicting $name $flag.text -}}
{{- end -}}
{{- end -}}
{{- $_ := set $determined "hosts" "add --host to daemonset.extraArgs instead" -}}
{{- range $directives -}}
{{- if hasKey $determined .name }}
daemonset.config has {{ .text }}, which the chart determines: {{ get $determined .name }}
{{- else if hasKey $conflicting .name }}
daemonset.config has {{ .text }}, but daemonset.extraArgs has {{ get $conflicting .name }}, and dockerd refuses to start with both: remove one of them
{{- end }}
{{- end }}
{{- include "dind-webhook.validate.mirrors" (dict "config" $config "flags" $flags "defaults" (include "dind-webhook.mirrors.daemonset" . | include "dind-webhook.mirrors.flags" | fromJsonArray)) }}
{{- end -}}

{{/*
Mirrors that are insecure registries: dockerd uses one TLS client for Docker Hub and its mirrors. Takes "config", "flags", and
"defaults": the URLs that the DaemonSet gets from the defaults of pods.
*/}}
{{- define "dind-webhook.validate.mirrors" -}}
{{- $mirrors := list -}}
{{- $insecure := list -}}
{{- range .flags -}}
{{- if eq .name "registry-mirror" -}}{{- $mirrors = append $mirrors (dict "in" "daemonset.extraArgs" "url" .value) -}}{{- end -}}
{{- if eq .name "insecure-registry" -}}{{- $insecure = append $insecure .value -}}{{- end -}}
{{- end -}}
{{- range get .config "registry-mirrors" | default list -}}{{- $mirrors = append $mirrors (dict "in" "daemonset.config" "url" .) -}}{{- end -}}
{{- range .defaults -}}{{- $mirrors = append $mirrors (dict "in" "settings.injection.defaults.registry-mirrors" "url" .) -}}{{- end -}}
{{- $insecure = concat $insecure (get .config "insecure-registries" | default list) -}}
{{- range $mirror := $mirrors -}}
{{- $address := regexReplaceAll "^(https?://)?([^/]*).*$" (toString .url | lower) "${2}" -}}
{{- $host := regexReplaceAll "^(\\[([^\\]]*)\\]|([^:]*))(:[0-9]*)?$" $address "${2}${3}" -}}
{{- $reason := "" -}}
{{- if regexMatch "^(([^.]+\\.)*localhost|([0:]*:ffff:)?127(\\.[0-9]+){3}|[0:]*:0*1)$" $host -}}
{{- $reason = "is an insecure registry too, being on loopback" -}}
{{- else -}}
{{- range $insecure -}}
{{- $registry := toString . | lower -}}
{{- $in := contains "/" $registry | ternary (include "dind-webhook.isInNetwork" (dict "host" $host "network" $registry)) (eq $registry $address | ternary "yes" "no") -}}
{{- if ne $in "no" -}}
{{- $reason = printf "%s an insecure registry too, by %s" (eq $in "yes" | ternary "is" "may be") . -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and $host $reason }}
{{ .in }} has the mirror {{ .url }}, which {{ $reason }}: dockerd would no longer check the certificate of Docker Hub itself; a mirror with plain HTTP needs no --insecure-registry, and must not be on loopback
{{- end }}
{{- end }}
{{- end -}}

{{/* Takes "host" and "network", a CIDR. Returns yes, no, or maybe: templates cannot compute with the addresses of IPv6. */}}
{{- define "dind-webhook.isInNetwork" -}}
{{- $dotted := "^[0-9]+(\\.[0-9]+){3}$" -}}
{{- $parts := splitList "/" .network -}}
{{- $base := first $parts -}}
{{- if and (regexMatch $dotted .host) (regexMatch $dotted $base) -}}
{{- $size := 1 -}}
{{- range until (max 0 (sub 32 (last $parts | int)) | int) -}}{{- $size = mul $size 2 -}}{{- end -}}
{{- $numbers := list -}}
{{- range list .host $base -}}
{{- $number := 0 -}}
{{- range splitList "." . -}}{{- $number = add (mul $number 256) (int .) -}}{{- end -}}
{{- $numbers = append $numbers (div $number $size) -}}
{{- end -}}
{{- eq (first $numbers) (last $numbers) | ternary "yes" "no" -}}
{{- else if contains ":" .host -}}
{{- or (contains ":" $base) (contains "." .host) | ternary "maybe" "no" -}}
{{- else -}}
{{- /* A mapped network has addresses of IPv4. */ -}}
{{- and (regexMatch $dotted .host) (regexMatch "^[0:]*:ffff:" $base) | ternary "maybe" "no" -}}
{{- end -}}
{{- end -}}

{{/*
Flags in daemonset.extraArgs, as a JSON list: the `text` of the flag, its long `name`, and its `value`. The schema does not let
the value be an argument of its own.
*/}}
{{- define "dind-webhook.daemonFlags" -}}
{{- $long := dict "b" "bridge" "G" "group" "H" "host" "l" "log-level" "p" "pidfile" "s" "storage-driver" -}}
{{- $flags := list -}}
{{- range $argument := .Values.daemonset.extraArgs -}}
{{- if hasPrefix "--" $argument -}}
{{- $text := (splitn "=" 2 $argument)._0 -}}
{{- $flags = append $flags (dict "text" $text "name" (trimPrefix "--" $text) "value" (trimPrefix $text $argument | trimPrefix "=")) -}}
{{- else -}}
{{- /* Short flags can be joined. -D has no value. */ -}}
{{- $letters := regexReplaceAll "^D+" (trimPrefix "-" $argument) "" -}}
{{- if hasPrefix "-D" $argument -}}{{- $flags = append $flags (dict "text" "-D" "name" "debug" "value" "") -}}{{- end -}}
{{- with regexFind "^[a-zA-Z]" $letters -}}
{{- $flags = append $flags (dict "text" (printf "-%s" .) "name" (get $long .) "value" (trimPrefix . $letters | trimPrefix "=")) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $flags -}}
{{- end -}}

{{/*
Members of daemonset.config, as a JSON list of `text` and `name`. The members of a map count by themselves, such as those of
proxies (`configValuesSet` in moby's daemon/config), except in maps of names that the user chooses.
*/}}
{{- define "dind-webhook.daemonDirectives" -}}
{{- $flat := list "cluster-store-opts" "default-network-opts" "log-opts" "runtimes" "default-ulimits" "features" "builder" -}}
{{- $directives := list -}}
{{- range $name, $value := .Values.daemonset.config | default dict -}}
{{- if and (kindIs "map" $value) (not (has $name $flat)) -}}
{{- range $inner, $_ := $value -}}
{{- $directives = append $directives (dict "text" (printf "%s.%s" $name $inner) "name" $inner) -}}
{{- end -}}
{{- else -}}
{{- $directives = append $directives (dict "text" $name "name" $name) -}}
{{- end -}}
{{- end -}}
{{- toJson $directives -}}
{{- end -}}
