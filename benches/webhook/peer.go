// The peer of the benchmark: an injector as one writes it first in Go - net/http, encoding/json into maps - with the
// same question, the same objects in memory and the same answer: a JSON patch that adds the sidecar, its volumes and
// the model server's side.
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
var assets = map[string]object{"asset-1": {"endpoint": "https://edc.example.com", "bytes": 40000000.0}}

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

func probe(path string, period, failures int) object {
	return object{"httpGet": object{"path": path, "port": 8001, "scheme": "HTTP"}, "periodSeconds": period,
		"failureThreshold": failures, "successThreshold": 1, "timeoutSeconds": 2}
}

func sidecar(tunepod, asset object) object {
	return object{
		"name": "tb-sentinel", "image": "sentinel:1", "args": []string{"serve"}, "restartPolicy": "Always",
		"ports": []object{{"name": "tb-public", "containerPort": 8000}, {"name": "tb-admin", "containerPort": 8001}},
		"env": []object{
			variable("TB_CONTRACT_ID", text(tunepod, "contractId")), variable("TB_ASSET_ID", text(tunepod, "asset")),
			variable("TB_EDC_ENDPOINT", text(asset, "endpoint")), variable("TB_TARGET_DIR", "/var/lib/trustbridge/cipher"),
			variable("TB_PIPE_PATH", "/dev/shm/tb/model-pipe"), variable("TB_MODEL_DIR", "/dev/shm/tb/model"),
			variable("TB_READY_SIGNAL", "/dev/shm/tb/ready.signal"), variable("TB_DELIVERY", "fifo"),
			variable("TB_RUNTIME_URL", "http://127.0.0.1:8081"), variable("TB_AUDIT_PATH", "/var/log/trustbridge/audit.jsonl"),
		},
		"resources": object{"requests": object{"cpu": "250m", "memory": "512Mi"}, "limits": object{"memory": "512Mi"}},
		"volumeMounts": []object{{"name": "tb-model", "mountPath": "/dev/shm/tb"},
			{"name": "tb-cipher", "mountPath": "/var/lib/trustbridge/cipher"}, {"name": "tb-audit", "mountPath": "/var/log/trustbridge"}},
		"startupProbe": probe("/startupz", 2, 151), "readinessProbe": probe("/readyz", 2, 3), "livenessProbe": probe("/livez", 10, 6),
		"securityContext": object{"runAsNonRoot": true, "runAsUser": 65532, "allowPrivilegeEscalation": false,
			"readOnlyRootFilesystem": true, "capabilities": object{"drop": []string{"ALL"}}},
	}
}

func patch(pod object, tunepod, asset object) []operation {
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
	add("/spec/volumes", "volumes", spec,
		object{"name": "tb-model", "emptyDir": object{"medium": "Memory", "sizeLimit": "16Mi"}},
		object{"name": "tb-cipher", "emptyDir": object{"sizeLimit": "105Mi"}},
		object{"name": "tb-audit", "emptyDir": object{"sizeLimit": "256Mi"}})
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
			object{"preStop": object{"httpGet": object{"path": "/drain", "port": 8001}}}})
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
		tunepod := tunepods[text(child(child(pod, "metadata"), "annotations"), "trustbridge.io/tunepod")]
		found := refusals(pod, text(child(request, "userInfo"), "username"))
		if tunepod == nil {
			found = append(found, "no such TunePod")
		}
		if len(found) > 0 {
			response["allowed"] = false
			response["status"] = object{"code": 403, "message": strings.Join(found, "; ")}
		} else {
			bytes, _ := json.Marshal(patch(pod, tunepod, assets[text(tunepod, "asset")]))
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
