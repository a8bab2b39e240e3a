{{- define "dind-webhook.validate.tls" -}}
{{- $mode := .Values.tls.mode -}}
{{- /* AKS' own says nothing of who writes caBundle. */ -}}
{{- $writer := omit (.Values.webhook.annotations | default dict) "admissions.enforcer/disabled" -}}
{{- with .Values.tls.existingSecret -}}
{{- if and (ne $mode "existingSecret") .name }}
tls.existingSecret.name is set, but tls.mode is {{ $mode }}: choose one, tls.mode existingSecret uses the Secret
{{- end }}
{{- if and (ne $mode "existingSecret") .caBundle }}
tls.existingSecret.caBundle is set, but tls.mode is {{ $mode }}, which has a CA of its own: choose one
{{- end }}
{{- if and (eq $mode "existingSecret") (not .name) }}
tls.existingSecret.name is empty: tls.mode existingSecret needs the name of a Secret with tls.crt and tls.key
{{- end }}
{{- if and (eq $mode "existingSecret") (not (or .caBundle $writer)) }}
tls.existingSecret.caBundle is empty: the API server would not trust the certificate; give the CA in PEM, or say in webhook.annotations which tool writes it
{{- end }}
{{- if and .caBundle (not (contains "-----BEGIN CERTIFICATE-----" .caBundle)) }}
tls.existingSecret.caBundle is not PEM: give the text of the file, which has -----BEGIN CERTIFICATE----- in it, not its base64
{{- end }}
{{- end }}
{{- with .Values.tls.certManager.issuerRef -}}
{{- if ne $mode "certManager" }}
tls.certManager.issuerRef is set, but tls.mode is {{ $mode }}: choose one, tls.mode certManager uses the issuer
{{- end }}
{{- if not .name }}
tls.certManager.issuerRef.name is empty: name the issuer, or leave issuerRef out for one of the chart's own
{{- end }}
{{- end }}
{{- if and .Values.tls.clientCA.names (not .Values.tls.clientCA.configMap) }}
tls.clientCA.names is set without tls.clientCA.configMap: without a CA no client shows a certificate
{{- end }}
{{- if ne $mode "existingSecret" -}}
{{- include (printf "dind-webhook.validate.lives.%s" $mode) (get .Values.tls $mode) }}
{{- end }}
{{- end -}}

{{- define "dind-webhook.validate.lives.selfManaged" -}}
{{- range $name, $time := dict "leafLife" .leafLife "resync" .resync -}}
{{- if lt (include "dind-webhook.seconds" $time | float64) 1.0 }}
tls.selfManaged.{{ $name }} is {{ $time }}, less than a second
{{- end }}
{{- end }}
{{- if lt (include "dind-webhook.seconds" .caLife | float64) (include "dind-webhook.seconds" .leafLife | mulf 3) }}
tls.selfManaged.caLife is {{ .caLife }}, less than three times tls.selfManaged.leafLife, {{ .leafLife }}: certificates would outlive their CA
{{- end }}
{{- end -}}

{{- define "dind-webhook.validate.lives.certManager" -}}
{{- $life := include "dind-webhook.seconds" .duration | float64 -}}
{{- if ge (include "dind-webhook.seconds" .renewBefore | float64) $life }}
tls.certManager.renewBefore is {{ .renewBefore }}, not less than tls.certManager.duration, {{ .duration }}: certificates would be renewed again and again
{{- end }}
{{- if and (not .issuerRef) (le (include "dind-webhook.seconds" .caDuration | float64) $life) }}
tls.certManager.caDuration is {{ .caDuration }}, not more than tls.certManager.duration, {{ .duration }}: certificates would outlive their CA
{{- end }}
{{- end -}}
