{{- define "dind-webhook.validate.tls" -}}
{{- $mode := .Values.tls.mode -}}
{{- /* The annotation for AKS does not say who writes caBundle. */ -}}
{{- $writer := omit (.Values.webhook.annotations | default dict) "admissions.enforcer/disabled" -}}
{{- with .Values.tls.existingSecret -}}
{{- if and (ne $mode "existingSecret") .name }}
tls.existingSecret.name is set, but tls.mode is {{ $mode }}: set tls.mode to existingSecret, or leave the name empty
{{- end }}
{{- if and (ne $mode "existingSecret") .caBundle }}
tls.existingSecret.caBundle is set, but tls.mode is {{ $mode }}, which has its own CA: set tls.mode to existingSecret, or leave caBundle empty
{{- end }}
{{- if and (eq $mode "existingSecret") (not .name) }}
tls.existingSecret.name is empty: tls.mode existingSecret needs the name of a Secret with tls.crt and tls.key
{{- end }}
{{- if and (eq $mode "existingSecret") (not (or .caBundle $writer)) }}
tls.existingSecret.caBundle is empty: the API server would not trust the certificate; set the CA in PEM, or name the tool that writes it in webhook.annotations
{{- end }}
{{- if and .caBundle (not (contains "-----BEGIN CERTIFICATE-----" .caBundle)) }}
tls.existingSecret.caBundle is not PEM: set the text of the file, with -----BEGIN CERTIFICATE-----, not its base64 encoding
{{- end }}
{{- end }}
{{- with .Values.tls.certManager.issuerRef -}}
{{- if ne $mode "certManager" }}
tls.certManager.issuerRef is set, but tls.mode is {{ $mode }}: set tls.mode to certManager, or leave issuerRef empty
{{- end }}
{{- if not .name }}
tls.certManager.issuerRef.name is empty: set the name of the issuer, or leave issuerRef out for the chart's own issuer
{{- end }}
{{- end }}
{{- if and .Values.tls.clientCA.names (not .Values.tls.clientCA.configMap) }}
tls.clientCA.names is set without tls.clientCA.configMap: without a CA the server asks for no client certificate; set configMap
{{- end }}
{{- if ne $mode "existingSecret" -}}
{{- include (printf "dind-webhook.validate.lifetimes.%s" $mode) (get .Values.tls $mode) }}
{{- end }}
{{- end -}}

{{- define "dind-webhook.validate.lifetimes.selfManaged" -}}
{{- range $name, $time := dict "leafLife" .leafLife "resync" .resync -}}
{{- if lt (include "dind-webhook.seconds" $time | float64) 1.0 }}
tls.selfManaged.{{ $name }} is {{ $time }}, less than a second
{{- end }}
{{- end }}
{{- if lt (include "dind-webhook.seconds" .caLife | float64) (include "dind-webhook.seconds" .leafLife | mulf 3) }}
tls.selfManaged.caLife is {{ .caLife }}, less than three times tls.selfManaged.leafLife, {{ .leafLife }}: certificates would outlive their CA
{{- end }}
{{- end -}}

{{- define "dind-webhook.validate.lifetimes.certManager" -}}
{{- $life := include "dind-webhook.seconds" .duration | float64 -}}
{{- if ge (include "dind-webhook.seconds" .renewBefore | float64) $life }}
tls.certManager.renewBefore is {{ .renewBefore }}, not less than tls.certManager.duration, {{ .duration }}: certificates would be renewed all the time
{{- end }}
{{- if and (not .issuerRef) (le (include "dind-webhook.seconds" .caDuration | float64) $life) }}
tls.certManager.caDuration is {{ .caDuration }}, not more than tls.certManager.duration, {{ .duration }}: certificates would outlive their CA
{{- end }}
{{- end -}}
