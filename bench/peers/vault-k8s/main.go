// The handler of vault-k8s as released, with its own injection. Its settings are the defaults of its command line.
package main

import (
	"net/http"
	"os"

	"github.com/hashicorp/go-hclog"
	agentinject "github.com/hashicorp/vault-k8s/agent-inject"
	"github.com/hashicorp/vault-k8s/agent-inject/agent"
)

func main() {
	handler := agentinject.Handler{
		RequireAnnotation:  true,
		VaultAddress:       "https://vault.vault.svc:8200",
		VaultAuthType:      agent.DefaultVaultAuthType,
		VaultAuthPath:      agent.DefaultVaultAuthPath,
		ImageVault:         agent.DefaultVaultImage,
		UserID:             "100",
		GroupID:            "1000",
		SetSecurityContext: true,
		DefaultTemplate:    agent.DefaultTemplateType,
		ResourceRequestCPU: agent.DefaultResourceRequestCPU,
		ResourceRequestMem: agent.DefaultResourceRequestMem,
		ResourceLimitCPU:   agent.DefaultResourceLimitCPU,
		ResourceLimitMem:   agent.DefaultResourceLimitMem,
		ExitOnRetryFailure: true,

		Log: hclog.New(&hclog.LoggerOptions{Name: "handler", Level: hclog.Info}),
	}
	http.HandleFunc("/mutate", handler.Handle)
	err := http.ListenAndServeTLS(os.Getenv("HOST")+":"+os.Getenv("PORT"), os.Getenv("TLS_CERT"), os.Getenv("TLS_KEY"), nil)
	println(err.Error())
	os.Exit(1)
}
