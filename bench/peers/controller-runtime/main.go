// The injection as most operators are written: the webhook server of controller-runtime, typed objects, a patch by
// difference. Metrics are on and there is no log line per request, which are the defaults of controller-runtime.
package main

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

func main() {
	ctrl.SetLogger(zap.New())
	additions, err := readAdditions(os.Getenv("ADDITIONS"))
	exitOn(err)
	port, err := strconv.Atoi(os.Getenv("PORT"))
	exitOn(err)
	scheme := runtime.NewScheme()
	exitOn(corev1.AddToScheme(scheme))
	decoder := admission.NewDecoder(scheme)
	server := webhook.NewServer(webhook.Options{
		Host:     os.Getenv("HOST"),
		Port:     port,
		CertDir:  filepath.Dir(os.Getenv("TLS_CERT")),
		CertName: filepath.Base(os.Getenv("TLS_CERT")),
		KeyName:  filepath.Base(os.Getenv("TLS_KEY")),
	})
	server.Register("/mutate", &admission.Webhook{Handler: admission.HandlerFunc(
		func(_ context.Context, request admission.Request) admission.Response {
			pod := &corev1.Pod{}
			if err := decoder.Decode(request, pod); err != nil {
				return admission.Errored(http.StatusBadRequest, err)
			}
			isDaemon := func(c corev1.Container) bool { return c.Name == additions.Container.Name }
			// The API server calls again if another webhook changed the pod later.
			if pod.Annotations["dind.io/inject"] != "sidecar" || slices.ContainsFunc(pod.Spec.InitContainers, isDaemon) {
				return admission.Allowed("unchanged")
			}
			additions.addTo(pod)
			changed, err := json.Marshal(pod)
			if err != nil {
				return admission.Errored(http.StatusInternalServerError, err)
			}
			return admission.PatchResponseFromRaw(request.Object.Raw, changed)
		},
	)})
	exitOn(server.Start(ctrl.SetupSignalHandler()))
}

func exitOn(err error) {
	if err != nil {
		println(err.Error())
		os.Exit(1)
	}
}
