package main

import (
	"encoding/json"
	"os"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// additions are made to every pod. They check none of what dind-webhook checks: options, conflicts, protected paths.
type additions struct {
	Container    corev1.Container     `json:"container"`
	Volumes      []corev1.Volume      `json:"volumes"`
	ClientEnv    corev1.EnvVar        `json:"clientEnv"`
	ClientMounts []corev1.VolumeMount `json:"clientMounts"`
	Group        int64                `json:"group"`
	Annotations  map[string]string    `json:"annotations"`
	Labels       map[string]string    `json:"labels"`
}

func readAdditions(path string) (*additions, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	read := &additions{}
	return read, json.Unmarshal(text, read)
}

// addTo changes a pod in place.
func (a *additions) addTo(pod *corev1.Pod) {
	spec := &pod.Spec
	clients := clientsOf(spec)
	daemon := *a.Container.DeepCopy()
	daemon.VolumeMounts = append(daemon.VolumeMounts, sharedMounts(spec, clients)...)
	for _, client := range clients {
		a.addToClient(client)
	}
	spec.InitContainers = slices.Insert(spec.InitContainers, 0, daemon)
	spec.Volumes = append(spec.Volumes, a.Volumes...)
	if spec.SecurityContext == nil {
		spec.SecurityContext = &corev1.PodSecurityContext{}
	}
	if !slices.Contains(spec.SecurityContext.SupplementalGroups, a.Group) {
		spec.SecurityContext.SupplementalGroups = append(spec.SecurityContext.SupplementalGroups, a.Group)
	}
	annotate := func(key, value string) {
		if _, exists := pod.Annotations[key]; !exists {
			pod.Annotations[key] = value
		}
	}
	for key, value := range a.Annotations {
		annotate(key, value)
	}
	annotate("kubectl.kubernetes.io/default-container", spec.Containers[0].Name)
	if pod.Labels == nil {
		pod.Labels = map[string]string{}
	}
	for key, value := range a.Labels {
		if _, exists := pod.Labels[key]; !exists {
			pod.Labels[key] = value
		}
	}
}

// clientsOf returns the containers that get Docker: all but native sidecars.
func clientsOf(spec *corev1.PodSpec) []*corev1.Container {
	var clients []*corev1.Container
	for i := range spec.InitContainers {
		if policy := spec.InitContainers[i].RestartPolicy; policy == nil || *policy != corev1.ContainerRestartPolicyAlways {
			clients = append(clients, &spec.InitContainers[i])
		}
	}
	for i := range spec.Containers {
		clients = append(clients, &spec.Containers[i])
	}
	return clients
}

func (a *additions) addToClient(container *corev1.Container) {
	if !slices.ContainsFunc(container.Env, func(v corev1.EnvVar) bool { return v.Name == a.ClientEnv.Name }) {
		container.Env = append(container.Env, a.ClientEnv)
	}
	for _, mount := range a.ClientMounts {
		if !slices.ContainsFunc(container.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == mount.MountPath }) {
			container.VolumeMounts = append(container.VolumeMounts, mount)
		}
	}
}

// sharedMounts returns the mounts of the clients' volumes, and of the token last; the first at a path wins.
func sharedMounts(spec *corev1.PodSpec, clients []*corev1.Container) []corev1.VolumeMount {
	shareable := map[string]bool{}
	for _, volume := range spec.Volumes {
		shareable[volume.Name] = volume.EmptyDir != nil || volume.PersistentVolumeClaim != nil || volume.Ephemeral != nil ||
			isToken(volume.Name)
	}
	var shared, token []corev1.VolumeMount
	position := map[string]int{}
	for _, client := range clients {
		for _, mount := range client.VolumeMounts {
			if !shareable[mount.Name] {
				continue
			}
			if at, exists := position[mount.MountPath]; exists {
				shared[at].ReadOnly = shared[at].ReadOnly && mount.ReadOnly
			} else {
				position[mount.MountPath] = len(shared)
				shared = append(shared, mount)
			}
		}
	}
	isTokenMount := func(m corev1.VolumeMount) bool { return isToken(m.Name) }
	for _, mount := range shared {
		if isTokenMount(mount) {
			token = append(token, mount)
		}
	}
	return append(slices.DeleteFunc(shared, isTokenMount), token...)
}

func isToken(volume string) bool {
	return strings.HasPrefix(volume, "kube-api-access-")
}
