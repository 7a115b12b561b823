{{/* SPDX-License-Identifier: GPL-3.0-or-later */}}
{{/* Names, labels and what several manifests say alike. */}}

{{- define "sallyport.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "sallyport.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "sallyport.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "sallyport.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "sallyport.gateway.name" -}}{{ include "sallyport.fullname" . }}-gateway{{- end -}}
{{- define "sallyport.authority.name" -}}{{ include "sallyport.fullname" . }}-authority{{- end -}}

{{- define "sallyport.gateway.account" -}}
{{- default (include "sallyport.gateway.name" .) .Values.gateway.serviceAccount.name -}}
{{- end -}}
{{- define "sallyport.authority.account" -}}
{{- default (include "sallyport.authority.name" .) .Values.authority.serviceAccount.name -}}
{{- end -}}

{{/* The SPIFFE IDs that workloads and gateways pin. */}}
{{- define "sallyport.gateway.id" -}}
{{- default (printf "spiffe://%s/ns/%s/sa/%s" .Values.trustDomain .Release.Namespace (include "sallyport.gateway.account" .)) .Values.gateway.spiffeId -}}
{{- end -}}
{{- define "sallyport.authority.id" -}}
{{- default (printf "spiffe://%s/ns/%s/sa/%s" .Values.trustDomain .Release.Namespace (include "sallyport.authority.account" .)) .Values.authority.spiffeId -}}
{{- end -}}

{{- define "sallyport.gateway.host" -}}{{ include "sallyport.gateway.name" . }}.{{ .Release.Namespace }}.svc{{- end -}}
{{- define "sallyport.gateway.anyHost" -}}{{ include "sallyport.gateway.name" . }}-any.{{ .Release.Namespace }}.svc{{- end -}}
{{- define "sallyport.authority.host" -}}{{ include "sallyport.authority.name" . }}.{{ .Release.Namespace }}.svc{{- end -}}
{{- define "sallyport.authority.issuer" -}}
{{- default (printf "https://%s:%v" (include "sallyport.authority.host" .) .Values.authority.port) .Values.authority.issuer -}}
{{- end -}}

{{- define "sallyport.enrolment.url" -}}https://{{ include "sallyport.authority.host" . }}:{{ .Values.authority.enrolment.port }}{{- end -}}
{{- define "sallyport.enrolment.enabled" -}}
{{- if and .Values.authority.enabled .Values.authority.ca.enabled .Values.authority.enrolment.enabled }}yes{{ end -}}
{{- end -}}

{{- define "sallyport.gateway.enrols" -}}
{{- if and .Values.gateway.enabled (eq .Values.gateway.certificate.source "enrol") }}yes{{ end -}}
{{- end -}}

{{/* include "sallyport.labels" (list $ "gateway") */}}
{{- define "sallyport.selector" -}}
app.kubernetes.io/name: {{ include "sallyport.name" (index . 0) }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}
{{- define "sallyport.labels" -}}
{{- $ := index . 0 -}}
{{ include "sallyport.selector" . }}
app.kubernetes.io/version: {{ $.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $.Chart.Name $.Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "sallyport.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ default .Chart.AppVersion $image.tag }}
{{- end -}}
{{- end -}}

{{- define "sallyport.trustBundle" -}}
{{- default (printf "%s-trust-bundle" (include "sallyport.fullname" .)) .Values.trustBundle.existingConfigMap -}}
{{- end -}}

{{/* Nobody in the image is root, and nothing in it can be written. */}}
{{- define "sallyport.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
{{ include "sallyport.seccomp" . }}
{{- end -}}
{{- define "sallyport.containerSecurity" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
{{ include "sallyport.seccomp" . }}
{{- end -}}
{{- define "sallyport.seccomp" -}}
seccompProfile:
{{- if eq .Values.seccomp.mode "RuntimeDefault" }}
  type: RuntimeDefault
{{- else if eq .Values.seccomp.mode "Operator" }}
  type: Localhost
  localhostProfile: {{ printf "operator/%s/%s.json" .Release.Namespace (include "sallyport.fullname" .) }}
{{- else }}
  type: Localhost
  localhostProfile: {{ .Values.seccomp.localhostProfile }}
{{- end }}
{{- end -}}

{{/* include "sallyport.probes" (list port startupSeconds) */}}
{{- define "sallyport.probes" -}}
startupProbe:
  httpGet: { path: /healthz, port: operations }
  periodSeconds: 2
  failureThreshold: {{ div (index . 0) 2 }}
livenessProbe:
  httpGet: { path: /healthz, port: operations }
  periodSeconds: 10
  timeoutSeconds: 3
  failureThreshold: 6
readinessProbe:
  httpGet: { path: /readyz, port: operations }
  periodSeconds: 3
  timeoutSeconds: 3
  failureThreshold: 2
{{- end -}}

{{- define "sallyport.preStop" -}}
{{- if gt (int .) 0 }}
lifecycle:
  preStop:
    sleep: { seconds: {{ int . }} }
{{- end }}
{{- end -}}

{{/* Whether new connections stay on the node: by the cluster's version, unless the values say it. */}}
{{- define "sallyport.locality" -}}
{{- $locality := .Values.gateway.service.locality -}}
{{- if eq $locality "auto" -}}
{{- ternary "PreferSameNode" "Local" (semverCompare ">=1.34.0-0" .Capabilities.KubeVersion.Version) -}}
{{- else -}}
{{- $locality -}}
{{- end -}}
{{- end -}}
