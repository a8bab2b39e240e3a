// The injection by hand in Go: the standard library alone, only the members that are needed, a patch written directly.
//
// One log line per decision, and a counter, as dind-webhook has them.
package main

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

type review struct {
	APIVersion string `json:"apiVersion"`
	Request    struct {
		UID       string `json:"uid"`
		Namespace string `json:"namespace"`
		Object    pod    `json:"object"`
	} `json:"request"`
}

type pod struct {
	Metadata struct {
		Name         string            `json:"name"`
		GenerateName string            `json:"generateName"`
		Annotations  map[string]string `json:"annotations"`
	} `json:"metadata"`
	Spec struct {
		Volumes         []volume    `json:"volumes"`
		InitContainers  []container `json:"initContainers"`
		Containers      []container `json:"containers"`
		SecurityContext *struct {
			SupplementalGroups []int64 `json:"supplementalGroups"`
		} `json:"securityContext"`
	} `json:"spec"`
}

type volume struct {
	Name                  string    `json:"name"`
	EmptyDir              *struct{} `json:"emptyDir"`
	PersistentVolumeClaim *struct{} `json:"persistentVolumeClaim"`
	Ephemeral             *struct{} `json:"ephemeral"`
}

type container struct {
	Name          string  `json:"name"`
	RestartPolicy string  `json:"restartPolicy"`
	Env           []named `json:"env"`
	VolumeMounts  []mount `json:"volumeMounts"`
	pointer       string
}

type named struct {
	Name string `json:"name"`
}

type mount struct {
	Name      string `json:"name"`
	MountPath string `json:"mountPath"`
	ReadOnly  bool   `json:"readOnly,omitempty"`
	SubPath   string `json:"subPath,omitempty"`
}

type additions struct {
	Container    map[string]any    `json:"container"`
	Volumes      []map[string]any  `json:"volumes"`
	ClientEnv    map[string]string `json:"clientEnv"`
	ClientMounts []mount           `json:"clientMounts"`
	Group        int64             `json:"group"`
	Annotations  map[string]string `json:"annotations"`
}

type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

type answer struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Response   response `json:"response"`
}

type response struct {
	UID       string `json:"uid"`
	Allowed   bool   `json:"allowed"`
	PatchType string `json:"patchType,omitempty"`
	Patch     []byte `json:"patch,omitempty"`
}

const defaultContainer = "kubectl.kubernetes.io/default-container"

var (
	wanted   additions
	mounts   []mount
	decided  atomic.Int64
	escaping = strings.NewReplacer("~", "~0", "/", "~1")
)

func main() {
	text, err := os.ReadFile(os.Getenv("ADDITIONS"))
	exitOn(err)
	exitOn(json.Unmarshal(text, &wanted))
	own, err := json.Marshal(wanted.Container["volumeMounts"])
	exitOn(err)
	exitOn(json.Unmarshal(own, &mounts))
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	http.HandleFunc("POST /mutate", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var found review
		if err == nil {
			err = json.Unmarshal(body, &found)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		encoded := mutate(&found)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(encoded)))
		w.Write(encoded)
		decided.Add(1)
		log.Info("decision", "uid", found.Request.UID, "namespace", found.Request.Namespace,
			"generate_name", found.Request.Object.Metadata.GenerateName)
	})
	exitOn(http.ListenAndServeTLS(os.Getenv("HOST")+":"+os.Getenv("PORT"), os.Getenv("TLS_CERT"), os.Getenv("TLS_KEY"), nil))
}

func mutate(found *review) []byte {
	out := answer{found.APIVersion, "AdmissionReview", response{UID: found.Request.UID, Allowed: true}}
	if found.Request.Object.Metadata.Annotations["dind.io/inject"] == "sidecar" {
		patch, _ := json.Marshal(operations(&found.Request.Object))
		out.Response.PatchType, out.Response.Patch = "JSONPatch", patch
	}
	encoded, _ := json.Marshal(out)
	return encoded
}

func operations(p *pod) []operation {
	ops := make([]operation, 0, 24)
	spec := &p.Spec
	add := func(path string, value any) { ops = append(ops, operation{"add", path, value}) }
	clients := clientsOf(p)
	for _, client := range clients {
		if !slices.ContainsFunc(client.Env, func(v named) bool { return v.Name == wanted.ClientEnv["name"] }) {
			addTo(add, client.pointer+"/env", client.Env == nil, wanted.ClientEnv)
		}
		var missing []mount
		for _, m := range wanted.ClientMounts {
			if !slices.ContainsFunc(client.VolumeMounts, func(other mount) bool { return other.MountPath == m.MountPath }) {
				missing = append(missing, m)
			}
		}
		addTo(add, client.pointer+"/volumeMounts", client.VolumeMounts == nil, missing...)
	}
	addTo(add, "/spec/volumes", spec.Volumes == nil, wanted.Volumes...)
	switch {
	case spec.SecurityContext == nil:
		add("/spec/securityContext", map[string][]int64{"supplementalGroups": {wanted.Group}})
	case !slices.Contains(spec.SecurityContext.SupplementalGroups, wanted.Group):
		addTo(add, "/spec/securityContext/supplementalGroups", spec.SecurityContext.SupplementalGroups == nil, wanted.Group)
	}
	for key, value := range wanted.Annotations {
		if _, there := p.Metadata.Annotations[key]; !there {
			add("/metadata/annotations/"+escaping.Replace(key), value)
		}
	}
	if _, there := p.Metadata.Annotations[defaultContainer]; !there {
		add("/metadata/annotations/"+escaping.Replace(defaultContainer), spec.Containers[0].Name)
	}
	daemon := make(map[string]any, len(wanted.Container)+1)
	for key, value := range wanted.Container {
		daemon[key] = value
	}
	daemon["volumeMounts"] = slices.Concat(mounts, shared(spec.Volumes, clients))
	if spec.InitContainers == nil {
		add("/spec/initContainers", []any{daemon})
	} else {
		add("/spec/initContainers/0", daemon)
	}
	return ops
}

func clientsOf(p *pod) []*container {
	clients := make([]*container, 0, len(p.Spec.InitContainers)+len(p.Spec.Containers))
	for i := range p.Spec.InitContainers {
		if c := &p.Spec.InitContainers[i]; c.RestartPolicy != "Always" {
			c.pointer = "/spec/initContainers/" + strconv.Itoa(i)
			clients = append(clients, c)
		}
	}
	for i := range p.Spec.Containers {
		c := &p.Spec.Containers[i]
		c.pointer = "/spec/containers/" + strconv.Itoa(i)
		clients = append(clients, c)
	}
	return clients
}

func shared(volumes []volume, clients []*container) []mount {
	shareable := make(map[string]bool, len(volumes))
	for _, v := range volumes {
		shareable[v.Name] = v.EmptyDir != nil || v.PersistentVolumeClaim != nil || v.Ephemeral != nil ||
			strings.HasPrefix(v.Name, "kube-api-access-")
	}
	var found []mount
	place := map[string]int{}
	for _, client := range clients {
		for _, m := range client.VolumeMounts {
			if !shareable[m.Name] {
				continue
			}
			if at, there := place[m.MountPath]; !there {
				place[m.MountPath] = len(found)
				found = append(found, m)
			} else if found[at].ReadOnly && !m.ReadOnly {
				found[at].ReadOnly = false
			}
		}
	}
	slices.SortStableFunc(found, func(one, other mount) int { return last(one.Name) - last(other.Name) })
	return found
}

// last returns 1 for the token's volume, whose mount dind-webhook puts behind the others, and 0 for them.
func last(volume string) int {
	if strings.HasPrefix(volume, "kube-api-access-") {
		return 1
	}
	return 0
}

func addTo[T any](add func(string, any), list string, absent bool, values ...T) {
	switch {
	case len(values) == 0:
	case absent:
		add(list, values)
	default:
		for _, value := range values {
			add(list+"/-", value)
		}
	}
}

func exitOn(err error) {
	if err != nil {
		println(err.Error())
		os.Exit(1)
	}
}
