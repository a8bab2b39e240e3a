{{/*
Pod Security `baseline` of Kubernetes 1.37, without the rules about hostPath volumes and the pod itself, which are in the
policy. `over` is the subject of a rule: `others`, the containers, each as `c`; or `contexts`, the security contexts of the
pod and its containers, each as `c.context`. `bad` is CEL that is true if the rule is violated.
AppArmor's annotations need no rule: API servers since 1.30 copy them to the fields. See
k8s.io/pod-security-admission/policy.
*/}}
{{- define "dind-webhook.strict.baseline" -}}
- name: privileged
  over: others
  bad: c.?securityContext.?privileged.orValue(false)
  text: must not set securityContext.privileged to true; only the daemon that dind-webhook injects may
- name: capabilities
  over: others
  bad: >-
    c.?securityContext.?capabilities.?add.orValue([]).exists(added, !(added in ["AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE",
    "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"]))
  text: must not add capabilities to those of the container runtime
- name: hostPorts
  over: others
  bad: c.?ports.orValue([]).exists(port, port.?hostPort.orValue(0) != 0)
  text: must not use a hostPort
- name: probeHosts
  over: others
  bad: >-
    ["livenessProbe", "readinessProbe", "startupProbe"].exists(probe,
    ["httpGet", "tcpSocket"].exists(action, c[?probe][?action].?host.orValue("") != ""))
    || ["postStart", "preStop"].exists(hook,
    ["httpGet", "tcpSocket"].exists(action, c.?lifecycle[?hook][?action].?host.orValue("") != ""))
  text: must not name a host in a probe or lifecycle hook
- name: procMount
  over: others
  bad: >-
    c.?securityContext.?procMount.orValue("Default") != "Default" && object.spec.?hostUsers.orValue(true)
  text: must not set securityContext.procMount
- name: seLinux
  over: contexts
  bad: >-
    !(c.context.?seLinuxOptions.?type.orValue("") in ["", "container_t", "container_init_t", "container_kvm_t",
    "container_engine_t"]) || c.context.?seLinuxOptions.?user.orValue("") != ""
    || c.context.?seLinuxOptions.?role.orValue("") != ""
  text: must not set securityContext.seLinuxOptions to another type, user or role than those of containers
- name: seccomp
  over: contexts
  bad: >-
    !(c.context.?seccompProfile.?type.orValue("RuntimeDefault") in ["RuntimeDefault", "Localhost"])
  text: must not set securityContext.seccompProfile to Unconfined
- name: appArmor
  over: contexts
  bad: >-
    !(c.context.?appArmorProfile.?type.orValue("RuntimeDefault") in ["RuntimeDefault", "Localhost"])
  text: must not set securityContext.appArmorProfile to Unconfined
- name: hostProcess
  over: contexts
  bad: c.context.?windowsOptions.?hostProcess.orValue(false)
  text: must not set securityContext.windowsOptions.hostProcess to true
{{- end -}}
