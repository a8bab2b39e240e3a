{{/*
A parent chart shares its globals with all its charts, so unknown ones are refused only if there is no parent. Rancher adds
`cattle` and `systemDefaultRegistry` to every chart that it installs.
*/}}
{{- define "dind-webhook.validate.global" -}}
{{- $global := .Values.global | default dict -}}
{{- if .Chart.IsRoot -}}
{{- $accepted := "the chart uses global.imageRegistry (or global.image.registry) and global.imagePullSecrets" -}}
{{- range $name := keys $global | sortAlpha -}}
{{- if not (has $name (list "imageRegistry" "image" "imagePullSecrets" "cattle" "systemDefaultRegistry")) }}
global.{{ $name }} has no effect: {{ $accepted }}
{{- end }}
{{- end }}
{{- if kindIs "map" $global.image -}}
{{- range $name := keys $global.image | sortAlpha -}}
{{- if ne $name "registry" }}
global.image.{{ $name }} has no effect: {{ $accepted }}
{{- end }}
{{- end }}
{{- else if $global.image }}
global.image has no effect: {{ $accepted }}
{{- end }}
{{- end }}
{{- end -}}
