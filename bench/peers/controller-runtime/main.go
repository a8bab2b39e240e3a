// The injection as most operators are written: controller-runtime's webhook server, typed objects, a patch by difference.
//
// Its metrics are on, its log has no line per request: both are its defaults.
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

	"dind-webhook/bench/peers/dind"
)

func main() {
	ctrl.SetLogger(zap.New())
	additions, err := dind.Read()
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
			if pod.Annotations["dind.io/inject"] != "sidecar" {
				return admission.Allowed("not requested")
			}
			// API servers call again when somebody changed the pod since: they mount a token in the new container.
			if slices.ContainsFunc(pod.Spec.InitContainers, func(c corev1.Container) bool { return c.Name == additions.Container.Name }) {
				return admission.Allowed("unchanged")
			}
			additions.AddTo(pod)
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
