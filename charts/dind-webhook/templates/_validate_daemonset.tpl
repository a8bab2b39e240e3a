{{- define "dind-webhook.validate.daemonset" -}}
{{- $v := .Values.daemonset -}}
{{- $config := $v.config | default dict -}}
{{- $group := include "dind-webhook.group" . -}}
{{- $modes := list -}}
{{- range include "dind-webhook.injections" . | fromJsonArray -}}{{- $modes = concat $modes .injection.modes -}}{{- end -}}
{{- if and $v.enabled (not (has "daemonset" $modes)) }}
daemonset.enabled is on, but settings.injection.modes has no daemonset: no pod could use the daemons
{{- end }}
{{- if le (int $v.gc.highPercent) (int $v.gc.lowPercent) }}
daemonset.gc.lowPercent is {{ $v.gc.lowPercent }}, not less than daemonset.gc.highPercent, {{ $v.gc.highPercent }}: set a lower value, or garbage collection would free nothing
{{- end }}
{{- if and $v.storage.hostPath (eq $v.storage.type "emptyDir") }}
daemonset.storage.hostPath is set, but daemonset.storage.type is emptyDir: choose one
{{- end }}
{{- if and $v.storage.sizeLimit (eq $v.storage.type "hostPath") }}
daemonset.storage.sizeLimit is set, but daemonset.storage.type is hostPath, which has no size limit: set emptyDir, or use daemonset.gc
{{- end }}
{{- with $v.updateStrategy.rollingUpdate -}}
{{- if eq $v.updateStrategy.type "OnDelete" }}
daemonset.updateStrategy.rollingUpdate is set, but daemonset.updateStrategy.type is OnDelete: choose one
{{- end }}
{{- if not (has (toString .maxSurge) (list "<nil>" "0" "0%")) }}
daemonset.updateStrategy.rollingUpdate.maxSurge is {{ .maxSurge }}: two daemons would use the same directories on a node; leave it out
{{- end }}
{{- end }}
{{- $elsewhere := dict
      "--group" "settings.injection.defaults.group"
      "-G" "settings.injection.defaults.group"
      "--data-root" "daemonset.storage" -}}
{{- if $v.metrics.enabled -}}
{{- $_ := set $elsewhere "--metrics-addr" "daemonset.metrics.port" -}}
{{- end -}}
{{- range $v.extraArgs -}}
{{- $flag := (splitn "=" 2 .)._0 -}}
{{- with get $elsewhere $flag }}
daemonset.extraArgs sets {{ $flag }}, which the chart sets itself: set {{ . }} instead
{{- end }}
{{- end }}
{{- if and $v.metrics.enabled (not $v.enabled) }}
daemonset.metrics.enabled is on, but daemonset.enabled is off: there is no daemon to measure; turn daemonset.enabled on
{{- end }}
{{- if and $v.metrics.podMonitor.enabled (not $v.metrics.enabled) }}
daemonset.metrics.podMonitor.enabled is on, but daemonset.metrics.enabled is off: a PodMonitor needs that port
{{- end }}
{{- $mirrors := list -}}
{{- $insecure := get $config "insecure-registries" | default list -}}
{{- range $v.extraArgs -}}
{{- if hasPrefix "--registry-mirror=" . -}}{{- $mirrors = append $mirrors (dict "in" "extraArgs" "url" (trimPrefix "--registry-mirror=" .)) -}}{{- end -}}
{{- if hasPrefix "--insecure-registry=" . -}}{{- $insecure = append $insecure (trimPrefix "--insecure-registry=" .) -}}{{- end -}}
{{- end -}}
{{- range get $config "registry-mirrors" | default list -}}{{- $mirrors = append $mirrors (dict "in" "config" "url" .) -}}{{- end -}}
{{- range $mirrors -}}
{{- $host := regexReplaceAll "^(https?://)?([^/]*).*$" .url "${2}" -}}
{{- if and $host (or (has $host $insecure) (regexMatch "^(localhost|127\\.|\\[::1\\])" $host)) }}
daemonset.{{ .in }} has the mirror {{ .url }}, which is an insecure registry too: dockerd would no longer check the certificate of Docker Hub itself; a mirror with plain HTTP needs no --insecure-registry, and must not be on loopback
{{- end }}
{{- end }}
{{- /* dockerd refuses what is both in its file and a flag. Lists have the plural of the flag as their name. */ -}}
{{- $flags := dict "hosts" "the chart" "cgroup-parent" "the chart" -}}
{{- if $group -}}{{- $_ := set $flags "group" "settings.injection.defaults.group" -}}{{- end -}}
{{- if $v.metrics.enabled -}}{{- $_ := set $flags "metrics-addr" "daemonset.metrics" -}}{{- end -}}
{{- range $v.extraArgs -}}
{{- $flag := (splitn "=" 2 .)._0 | trimAll "-" -}}
{{- range $name := list $flag (printf "%ss" $flag) (regexReplaceAll "y$" $flag "ies") -}}{{- $_ := set $flags $name "daemonset.extraArgs" -}}{{- end -}}
{{- if and $config (eq $flag "config-file") }}
daemonset.extraArgs sets --config-file, and daemonset.config is set too: choose one
{{- end }}
{{- end }}
{{- range $name, $_ := $config -}}
{{- if has $name (list "data-root" "exec-root" "pidfile") }}
daemonset.config has {{ $name }}, for whose place the chart mounts volumes: remove it{{ eq $name "data-root" | ternary ", and set daemonset.storage" "" }}
{{- else if hasKey $flags $name }}
daemonset.config has {{ $name }}, but {{ get $flags $name }} sets the flag of the same meaning, and dockerd refuses to start with both: remove one of them
{{- end }}
{{- end }}
{{- if $v.enabled }}
{{- include "dind-webhook.validate.directories" . }}
{{- end }}
{{- end -}}

{{/* The daemon treats everything in its directories as its own, so they must not be directories of the node. */}}
{{- define "dind-webhook.validate.directories" -}}
{{- $nodes := list "/run" "/run/docker" "/run/containerd" "/var" "/var/lib" "/var/lib/docker" "/var/lib/containerd" "/var/lib/kubelet" "/etc" "/home" "/opt" "/root" "/tmp" "/usr" -}}
{{- $paths := dict "daemonset.hostPath" (include "dind-webhook.hostPath" .) -}}
{{- if eq .Values.daemonset.storage.type "hostPath" -}}
{{- $_ := set $paths "daemonset.storage.hostPath" (include "dind-webhook.storageHostPath" .) -}}
{{- end -}}
{{- range $name, $path := $paths -}}
{{- $real := include "dind-webhook.resolved" $path -}}
{{- if has $real $nodes }}
{{ $name }} is {{ $path }}, which is the node's own: set a directory for the daemon only, such as /run/dind or /var/lib/dind
{{- end }}
{{- range $other, $around := omit $paths $name -}}
{{- if hasPrefix (include "dind-webhook.resolved" $around | printf "%s/") (printf "%s/" $real) }}
{{ $name }} is {{ $path }}, which is in {{ $other }}, {{ $around }}: set separate directories
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* A path with the symbolic link /var/run resolved. */}}
{{- define "dind-webhook.resolved" -}}
{{- regexReplaceAll "^/var/run(/|$)" . "/run${1}" -}}
{{- end -}}
