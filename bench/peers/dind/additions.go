// Package dind adds a Docker daemon to a typed pod, as dind-webhook does under its default settings.
//
// It checks none of what dind-webhook checks: options, conflicts, paths that the daemon needs itself.
package dind

import (
	"encoding/json"
	"os"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Additions is what every pod gets, as dind-webhook itself writes it.
type Additions struct {
	Container    corev1.Container     `json:"container"`
	Volumes      []corev1.Volume      `json:"volumes"`
	ClientEnv    corev1.EnvVar        `json:"clientEnv"`
	ClientMounts []corev1.VolumeMount `json:"clientMounts"`
	Group        int64                `json:"group"`
	Annotations  map[string]string    `json:"annotations"`
}

// Read returns the additions in the file that ADDITIONS names.
func Read() (Additions, error) {
	var additions Additions
	text, err := os.ReadFile(os.Getenv("ADDITIONS"))
	if err != nil {
		return additions, err
	}
	return additions, json.Unmarshal(text, &additions)
}

// AddTo changes a pod in place.
func (a *Additions) AddTo(pod *corev1.Pod) {
	spec := &pod.Spec
	daemon := *a.Container.DeepCopy()
	daemon.VolumeMounts = append(daemon.VolumeMounts, shared(spec)...)
	for i := range spec.InitContainers {
		if policy := spec.InitContainers[i].RestartPolicy; policy == nil || *policy != corev1.ContainerRestartPolicyAlways {
			a.addToClient(&spec.InitContainers[i])
		}
	}
	for i := range spec.Containers {
		a.addToClient(&spec.Containers[i])
	}
	spec.InitContainers = slices.Insert(spec.InitContainers, 0, daemon)
	spec.Volumes = append(spec.Volumes, a.Volumes...)
	if spec.SecurityContext == nil {
		spec.SecurityContext = &corev1.PodSecurityContext{}
	}
	if !slices.Contains(spec.SecurityContext.SupplementalGroups, a.Group) {
		spec.SecurityContext.SupplementalGroups = append(spec.SecurityContext.SupplementalGroups, a.Group)
	}
	if pod.Annotations == nil {
		pod.Annotations = map[string]string{}
	}
	for key, value := range a.Annotations {
		if _, found := pod.Annotations[key]; !found {
			pod.Annotations[key] = value
		}
	}
	const first = "kubectl.kubernetes.io/default-container"
	if _, found := pod.Annotations[first]; !found {
		pod.Annotations[first] = spec.Containers[0].Name
	}
}

func (a *Additions) addToClient(container *corev1.Container) {
	if !slices.ContainsFunc(container.Env, func(v corev1.EnvVar) bool { return v.Name == a.ClientEnv.Name }) {
		container.Env = append(container.Env, a.ClientEnv)
	}
	for _, mount := range a.ClientMounts {
		if !slices.ContainsFunc(container.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == mount.MountPath }) {
			container.VolumeMounts = append(container.VolumeMounts, mount)
		}
	}
}

// shared returns the daemon's mounts of the containers' own volumes and of the token: of two at one path, the first.
func shared(spec *corev1.PodSpec) []corev1.VolumeMount {
	shareable := map[string]bool{}
	for _, volume := range spec.Volumes {
		shareable[volume.Name] = volume.EmptyDir != nil || volume.PersistentVolumeClaim != nil || volume.Ephemeral != nil ||
			strings.HasPrefix(volume.Name, "kube-api-access-")
	}
	var mounts []corev1.VolumeMount
	place := map[string]int{}
	share := func(container *corev1.Container) {
		for _, mount := range container.VolumeMounts {
			if !shareable[mount.Name] {
				continue
			}
			at, found := place[mount.MountPath]
			if !found {
				place[mount.MountPath] = len(mounts)
				mounts = append(mounts, corev1.VolumeMount{
					Name: mount.Name, MountPath: mount.MountPath, SubPath: mount.SubPath, ReadOnly: mount.ReadOnly,
				})
			} else if mounts[at].ReadOnly && !mount.ReadOnly {
				mounts[at].ReadOnly = false
			}
		}
	}
	for i := range spec.InitContainers {
		if policy := spec.InitContainers[i].RestartPolicy; policy == nil || *policy != corev1.ContainerRestartPolicyAlways {
			share(&spec.InitContainers[i])
		}
	}
	for i := range spec.Containers {
		share(&spec.Containers[i])
	}
	slices.SortStableFunc(mounts, func(one, other corev1.VolumeMount) int { return last(one.Name) - last(other.Name) })
	return mounts
}

// last returns 1 for the token's volume, whose mount dind-webhook puts behind the others, and 0 for them.
func last(volume string) int {
	if strings.HasPrefix(volume, "kube-api-access-") {
		return 1
	}
	return 0
}
