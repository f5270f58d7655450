// The peer of the benchmark: an injector as one writes it first in Go - net/http, encoding/json into maps - with the
// same question, the same objects in memory and the same answer: a JSON patch that adds the sidecar, its volumes and
// the model server's side. The measuring program applies both patches first and compares the pods whole.
package main

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math"
	"net/http"
	"os"
	"strings"
)

type object = map[string]any

type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"`
}

var tunepods = map[string]object{"tb-acme/order-1-0": {"contractId": "contract-1", "asset": "asset-1"}}
var assets = map[string]object{"asset-1": {"endpoint": "https://edc.example.com", "bytes": 40000000.0,
	"manifest": strings.Repeat("ab", 32)}}

const operator = "system:serviceaccount:trustbridge-system:trustbridge-operator"

func child(o object, key string) object {
	c, _ := o[key].(object)
	return c
}

func list(o object, key string) []any {
	l, _ := o[key].([]any)
	return l
}

func text(o object, key string) string {
	s, _ := o[key].(string)
	return s
}

func refusals(pod object, user string) []string {
	var found []string
	spec := child(pod, "spec")
	for _, field := range []string{"hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"} {
		if spec[field] == true {
			found = append(found, "spec."+field+" must not be set")
		}
	}
	if user != operator {
		found = append(found, "pods with the sentinel are made by the operator alone")
	}
	for _, v := range list(spec, "volumes") {
		volume, _ := v.(object)
		if volume["hostPath"] != nil || strings.HasPrefix(text(volume, "name"), "tb-") {
			found = append(found, "volume "+text(volume, "name"))
		}
	}
	for _, key := range []string{"containers", "initContainers"} {
		for _, c := range list(spec, key) {
			container, _ := c.(object)
			if child(container, "securityContext")["privileged"] == true || strings.HasPrefix(text(container, "name"), "tb-") {
				found = append(found, "container "+text(container, "name"))
			}
			for _, e := range list(container, "env") {
				variable, _ := e.(object)
				if strings.HasPrefix(text(variable, "name"), "TB_") {
					found = append(found, "variable "+text(variable, "name"))
				}
			}
			for _, m := range list(container, "volumeMounts") {
				mount, _ := m.(object)
				if strings.HasPrefix(text(mount, "name"), "tb-") {
					found = append(found, "mount "+text(mount, "name"))
				}
			}
		}
	}
	return found
}

func variable(name, value string) object { return object{"name": name, "value": value} }

func field(name, path string) object {
	return object{"name": name, "valueFrom": object{"fieldRef": object{"apiVersion": "v1", "fieldPath": path}}}
}

func probe(path string, period, failures int) object {
	return object{"httpGet": object{"path": path, "port": 8001, "scheme": "HTTP"}, "periodSeconds": period,
		"failureThreshold": failures, "successThreshold": 1, "timeoutSeconds": 2}
}

// So many MiB that all bytes fit in.
func mib(bytes float64) int { return int(math.Ceil(bytes / (1 << 20))) }

func size(mib int) string { return fmt.Sprintf("%dMi", mib) }

func sidecar(tunepod, asset object) object {
	bytes, _ := asset["bytes"].(float64)
	return object{
		"name": "tb-sentinel", "image": "sentinel:1", "imagePullPolicy": "IfNotPresent", "args": []string{"serve"},
		"restartPolicy": "Always",
		"ports": []object{{"name": "tb-public", "containerPort": 8000, "protocol": "TCP"},
			{"name": "tb-admin", "containerPort": 8001, "protocol": "TCP"}},
		"env": []object{
			variable("TB_CONTRACT_ID", text(tunepod, "contractId")), variable("TB_ASSET_ID", text(tunepod, "asset")),
			variable("TB_EDC_ENDPOINT", text(asset, "endpoint")), variable("TB_MANIFEST_SHA256", text(asset, "manifest")),
			variable("TB_DELIVERY", "fifo"), variable("TB_RUNTIME_URL", "http://127.0.0.1:8081"), variable("TB_LOG_LEVEL", "info"),
			variable("TB_TARGET_DIR", "/var/lib/trustbridge/cipher"), variable("TB_PIPE_PATH", "/dev/shm/tb/model-pipe"),
			variable("TB_MODEL_DIR", "/dev/shm/tb/model"), variable("TB_READY_SIGNAL", "/dev/shm/tb/ready.signal"),
			variable("TB_PUBLIC_ADDR", "0.0.0.0:8000"), variable("TB_ADMIN_ADDR", "0.0.0.0:8001"),
			variable("TB_AUDIT_PATH", "/var/log/trustbridge/audit.jsonl"),
			variable("TB_TLS_CERT_PATH", "/etc/trustbridge/tls/tls.crt"), variable("TB_TLS_KEY_PATH", "/etc/trustbridge/tls/tls.key"),
			variable("TB_TOKENS_PATH", "/etc/trustbridge/tokens/tokens"),
			field("TB_NODE_NAME", "spec.nodeName"), field("TB_POD_NAME", "metadata.name"),
			field("TB_POD_NAMESPACE", "metadata.namespace"), field("TB_POD_UID", "metadata.uid"),
			variable("TB_LEASE", "$(TB_POD_NAMESPACE)/tp-$(TB_POD_NAME)-heartbeat"),
			variable("TB_API_TOKEN_PATH", "/etc/trustbridge/api/token"), variable("TB_API_CA_PATH", "/etc/trustbridge/api/ca.crt"),
		},
		"resources": object{"requests": object{"cpu": "250m", "memory": size(512)}, "limits": object{"memory": size(512)}},
		"volumeMounts": []object{{"name": "tb-model", "mountPath": "/dev/shm/tb"},
			{"name": "tb-cipher", "mountPath": "/var/lib/trustbridge/cipher"}, {"name": "tb-audit", "mountPath": "/var/log/trustbridge"},
			{"name": "tb-tls", "mountPath": "/etc/trustbridge/tls", "readOnly": true},
			{"name": "tb-tokens", "mountPath": "/etc/trustbridge/tokens", "readOnly": true},
			{"name": "tb-api", "mountPath": "/etc/trustbridge/api", "readOnly": true}},
		// Two seconds between two probes, and 20 MB each second.
		"startupProbe":   probe("/startupz", 2, int(math.Ceil(bytes/40000000))+150),
		"readinessProbe": probe("/readyz", 2, 3), "livenessProbe": probe("/livez", 10, 6),
		"securityContext": object{"runAsNonRoot": true, "runAsUser": 65532, "allowPrivilegeEscalation": false,
			"readOnlyRootFilesystem": true, "capabilities": object{"drop": []string{"ALL"}},
			"seccompProfile": object{"type": "RuntimeDefault"}},
		"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
	}
}

func volumes(name string, asset object) []any {
	bytes, _ := asset["bytes"].(float64)
	return []any{
		object{"name": "tb-model", "emptyDir": object{"medium": "Memory", "sizeLimit": size(16)}},
		object{"name": "tb-cipher", "emptyDir": object{"sizeLimit": size(mib(bytes+bytes/20) + 64)}},
		object{"name": "tb-audit", "emptyDir": object{"sizeLimit": size(256)}},
		object{"name": "tb-tls", "secret": object{"secretName": "tp-" + name + "-tls", "defaultMode": 288}},
		object{"name": "tb-tokens", "secret": object{"secretName": "tp-" + name + "-token-sums", "defaultMode": 288,
			"items": []object{{"key": "tokens", "path": "tokens"}}}},
		object{"name": "tb-api", "projected": object{"defaultMode": 288, "sources": []object{
			{"serviceAccountToken": object{"path": "token", "expirationSeconds": 3600}},
			{"configMap": object{"name": "kube-root-ca.crt", "items": []object{{"key": "ca.crt", "path": "ca.crt"}}}}}}},
	}
}

func patch(name string, pod object, tunepod, asset object) []operation {
	spec := child(pod, "spec")
	container := sidecar(tunepod, asset)
	digest, _ := json.Marshal(container)
	sum := sha256.Sum256(digest)
	operations := []operation{
		{"add", "/metadata/annotations/trustbridge.io~1injected-spec-sha256", hex.EncodeToString(sum[:])},
	}
	add := func(path, key string, owner object, values ...any) {
		if owner[key] == nil {
			operations = append(operations, operation{"add", path, values})
			return
		}
		for _, value := range values {
			operations = append(operations, operation{"add", path + "/-", value})
		}
	}
	if spec["initContainers"] == nil {
		operations = append(operations, operation{"add", "/spec/initContainers", []any{container}})
	} else {
		operations = append(operations, operation{"add", "/spec/initContainers/0", container})
	}
	add("/spec/volumes", "volumes", spec, volumes(name, asset)...)
	for at, c := range list(spec, "containers") {
		runtime, _ := c.(object)
		if text(runtime, "name") != "runtime" {
			continue
		}
		path := fmt.Sprintf("/spec/containers/%d", at)
		add(path+"/env", "env", runtime, variable("TB_PIPE_PATH", "/dev/shm/tb/model-pipe"),
			variable("TB_MODEL_DIR", "/dev/shm/tb/model"), variable("TB_READY_SIGNAL", "/dev/shm/tb/ready.signal"))
		add(path+"/volumeMounts", "volumeMounts", runtime, object{"name": "tb-model", "mountPath": "/dev/shm/tb", "readOnly": true})
		operations = append(operations, operation{"add", path + "/lifecycle",
			object{"preStop": object{"httpGet": object{"path": "/drain", "port": 8001, "scheme": "HTTP"}}}})
	}
	return append(operations, operation{"add", "/spec/terminationGracePeriodSeconds", 60})
}

func mutate(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 8<<20))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var review object
	if err := json.Unmarshal(body, &review); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	request := child(review, "request")
	pod := child(request, "object")
	response := object{"uid": request["uid"], "allowed": true}
	if text(child(child(pod, "metadata"), "labels"), "trustbridge.io/inject") == "true" {
		named := text(child(child(pod, "metadata"), "annotations"), "trustbridge.io/tunepod")
		_, name, _ := strings.Cut(named, "/")
		tunepod := tunepods[named]
		found := refusals(pod, text(child(request, "userInfo"), "username"))
		if tunepod == nil {
			found = append(found, "no such TunePod")
		}
		if len(found) > 0 {
			response["allowed"] = false
			response["status"] = object{"code": 403, "message": strings.Join(found, "; ")}
		} else {
			bytes, _ := json.Marshal(patch(name, pod, tunepod, assets[text(tunepod, "asset")]))
			response["patch"] = base64.StdEncoding.EncodeToString(bytes)
			response["patchType"] = "JSONPatch"
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(object{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response})
}

func main() {
	http.HandleFunc("/mutate", mutate)
	http.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	server := &http.Server{Addr: os.Args[1], TLSConfig: &tls.Config{MinVersion: tls.VersionTLS13}}
	log.Fatal(server.ListenAndServeTLS(os.Args[2], os.Args[3]))
}
