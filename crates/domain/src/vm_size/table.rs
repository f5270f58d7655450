//! GPU machines of Azure, as its documentation lists them (pages "GPU accelerated", sizes NC and ND; 2026-08).

/// A machine that can be rented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VmSize {
    /// Azure's name.
    pub name: &'static str,
    /// GPU model.
    pub gpu: &'static str,
    /// GPUs.
    pub gpus: u32,
    /// Memory of one GPU in GB.
    pub vram_gb: u32,
    /// Virtual CPU cores; `None`: not documented where we looked.
    pub vcpus: Option<u32>,
    /// Memory in GiB (2^30 bytes); `None`: not documented where we looked.
    pub ram_gib: Option<u32>,
    /// Local disk (`NVMe`) in MB (10^6 bytes); `None`: there is some, and its size is not documented where we looked.
    pub nvme_mb: Option<u64>,
    /// Whether memory is encrypted by the processor (confidential computing).
    pub is_confidential: bool,
    /// Whether Azure calls it a preview.
    pub is_preview: bool,
}

/// MB of a GiB, rounded down.
const fn gib(count: u64) -> u64 {
    count * 1_073_741_824 / 1_000_000
}

const A100: VmSize = VmSize {
    name: "Standard_NC24ads_A100_v4",
    gpu: "A100-80GB",
    gpus: 1,
    vram_gb: 80,
    vcpus: Some(24),
    ram_gib: Some(220),
    nvme_mb: Some(960_000),
    is_confidential: false,
    is_preview: false,
};

const H100: VmSize = VmSize {
    name: "Standard_NC40ads_H100_v5",
    gpu: "H100-NVL-94GB",
    vram_gb: 94,
    vcpus: Some(40),
    ram_gib: Some(320),
    nvme_mb: Some(gib(3576)),
    ..A100
};

const RTX: VmSize = VmSize {
    name: "Standard_NC128ds_xl_RTXPRO6000BSE_v6",
    gpu: "RTX-PRO-6000-96GB",
    vram_gb: 96,
    vcpus: Some(128),
    ram_gib: Some(512),
    nvme_mb: Some(gib(1024)),
    is_preview: true,
    ..A100
};

const ND: VmSize = VmSize {
    name: "Standard_ND96isr_H100_v5",
    gpu: "H100-SXM-80GB",
    gpus: 8,
    vcpus: None,
    ram_gib: None,
    nvme_mb: None,
    ..A100
};

/// Every size that is known here.
pub const SIZES: &[VmSize] = &[
    A100,
    VmSize {
        name: "Standard_NC48ads_A100_v4",
        gpus: 2,
        vcpus: Some(48),
        ram_gib: Some(440),
        nvme_mb: Some(2 * 960_000),
        ..A100
    },
    VmSize {
        name: "Standard_NC96ads_A100_v4",
        gpus: 4,
        vcpus: Some(96),
        ram_gib: Some(880),
        nvme_mb: Some(4 * 960_000),
        ..A100
    },
    H100,
    VmSize {
        name: "Standard_NC80adis_H100_v5",
        gpus: 2,
        vcpus: Some(80),
        ram_gib: Some(640),
        nvme_mb: Some(gib(7152)),
        ..H100
    },
    VmSize {
        name: "Standard_NCC40ads_H100_v5",
        nvme_mb: Some(gib(800)),
        is_confidential: true,
        ..H100
    },
    RTX,
    VmSize {
        name: "Standard_NC256ds_xl_RTXPRO6000BSE_v6",
        gpus: 2,
        vcpus: Some(256),
        ram_gib: Some(1024),
        nvme_mb: Some(gib(2048)),
        ..RTX
    },
    ND,
    VmSize {
        name: "Standard_ND96isr_H200_v5",
        gpu: "H200-141GB",
        vram_gb: 141,
        ..ND
    },
];
