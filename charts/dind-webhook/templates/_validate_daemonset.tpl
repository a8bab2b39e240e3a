{{- define "dind-webhook.validate.daemonset" -}}
{{- $v := .Values.daemonset -}}
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
{{- if and $v.metrics.enabled (not $v.enabled) }}
daemonset.metrics.enabled is on, but daemonset.enabled is off: there is no daemon to measure; turn daemonset.enabled on
{{- end }}
{{- if and $v.metrics.podMonitor.enabled (not $v.metrics.enabled) }}
daemonset.metrics.podMonitor.enabled is on, but daemonset.metrics.enabled is off: a PodMonitor needs that port
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
