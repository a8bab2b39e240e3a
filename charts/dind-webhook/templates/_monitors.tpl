{{/* Which namespace a monitor looks in. Takes root and monitor; a monitor without `namespace` is in that of the release. */}}
{{- define "dind-webhook.monitoredNamespace" -}}
{{- if ne (.monitor.namespace | default .root.Release.Namespace) .root.Release.Namespace -}}
namespaceSelector:
  matchNames: [{{ .root.Release.Namespace }}]
{{- end -}}
{{- end -}}

{{/* One endpoint of a ServiceMonitor or PodMonitor. Takes the port's name, and the values of the monitor. */}}
{{- define "dind-webhook.scrapedPort" -}}
{{- $endpoint := dict "port" .port "path" "/metrics" -}}
{{- range $member := list "interval" "scrapeTimeout" "metricRelabelings" "relabelings" -}}
{{- with get $.monitor $member -}}
{{- $_ := set $endpoint $member . -}}
{{- end -}}
{{- end -}}
{{- toYaml $endpoint -}}
{{- end -}}
