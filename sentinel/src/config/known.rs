//! Names that mean something somewhere, though not to mode `serve`.

/// Set by the webhook for logs and other modes.
pub(super) const ELSEWHERE: &[&str] = &[
    "TB_POD_NAME",
    "TB_POD_NAMESPACE",
    "TB_CONTROL_SOCKET",
    "TB_ADAPTERS_DIR",
    "TB_TRAINING_DATA_DIR",
];

/// Addresses outside this pod that must be HTTPS, whoever uses them.
pub(super) const HTTPS: &[&str] = &["TB_VAULT_URL"];

/// Limits of fine-tuning (spec 15.3): whole numbers.
pub(super) const NUMBERS: &[&str] = &[
    "TB_MAX_ADAPTERS",
    "TB_MAX_TRAINING_DATA_GB",
    "TB_MAX_CONCURRENT_JOBS",
    "TB_DEFAULT_LORA_R",
    "TB_DEFAULT_LORA_ALPHA",
    "TB_DEFAULT_EPOCHS",
    "TB_DEFAULT_BATCH_SIZE",
    "TB_MAX_LORAS",
    "TB_MAX_LORA_RANK",
];

/// The variables with which Azure's own libraries find an identity.
pub(super) const AZURE: &[&str] = &[
    "AZURE_AUTHORITY_HOST",
    "AZURE_CLIENT_ID",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_TENANT_ID",
];

/// The variables by which every pod finds the API server.
pub(super) const CLUSTER: &[&str] = &["KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"];
