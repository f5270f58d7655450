use super::*;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use std::io::Write;
use tempfile::TempDir;

fn sha(bytes: &[u8]) -> String {
    let mut sha256 = Sha256::new();
    sha256.update(bytes);
    sha256.finish_hex()
}

fn layer(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, *bytes).unwrap();
    }
    tar.into_inner().unwrap()
}

/// An archive as engines write it; `stored` is what lies there for each layer's tar.
fn archive(layers: &[Vec<u8>], stored: impl Fn(&[u8]) -> Vec<u8>) -> (TempDir, Archive) {
    let ids: Vec<String> = layers.iter().map(|tar| format!("sha256:{}", sha(tar))).collect();
    let config = json!({"rootfs": {"type": "layers", "diff_ids": ids}}).to_string();
    let names: Vec<String> = (0..layers.len()).map(|n| format!("{n}.tar")).collect();
    let list = json!([{"Config": "c.json", "RepoTags": ["a:1"], "Layers": names}]).to_string();
    let blobs: Vec<Vec<u8>> = layers.iter().map(|tar| stored(tar)).collect();
    let mut files: Vec<(&str, &[u8])> =
        vec![("c.json", config.as_bytes()), ("manifest.json", list.as_bytes())];
    files.extend(
        names
            .iter()
            .map(String::as_str)
            .zip(blobs.iter().map(Vec::as_slice)),
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image.tar");
    std::fs::write(&path, layer(&files)).unwrap();
    let archive = Archive::open(&path).unwrap();
    archive
        .check_id(&format!("sha256:{}", sha(config.as_bytes())))
        .unwrap();
    archive
        .check_id(&format!("sha256:{}", sha(b"other")))
        .unwrap_err();
    (folder, archive)
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn placed() -> Vec<Placed> {
    vec![Placed {
        path: "usr/local/bin/s",
        sha256: sha(b"sentinel"),
    }]
}

fn verdict(base: &[Vec<u8>], ours: &[u8], scan_base: bool) -> Result<Scanned, Failure> {
    let mut layers = base.to_vec();
    layers.push(ours.to_vec());
    let mut verdicts = Vec::new();
    for stored in [<[u8]>::to_vec as fn(&[u8]) -> Vec<u8>, gzipped] {
        let (_folder, archive) = archive(&layers, stored);
        let ids: Vec<String> = archive
            .layers()
            .iter()
            .take(base.len())
            .map(|l| l.diff_id.clone())
            .collect();
        verdicts.push(check(&archive, &ids, &placed(), scan_base));
    }
    let [plain, packed] = <[_; 2]>::try_from(verdicts).ok().unwrap();
    assert_eq!(plain.is_ok(), packed.is_ok());
    packed
}

fn safetensors() -> Vec<u8> {
    let header = b"{\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}";
    [&(header.len() as u64).to_le_bytes()[..], header, &[0; 4]].concat()
}

#[test]
fn our_files_alone_pass() {
    let ours = layer(&[("usr/local/bin/s", b"sentinel")]);
    let scanned = verdict(&[], &ours, false).unwrap();
    assert_eq!(
        scanned,
        Scanned {
            layers: 1,
            files: 1,
            bytes: 8
        }
    );
}

#[test]
fn anything_else_in_our_layers_is_refused() {
    let hidden = safetensors();
    for (extra, word) in [
        (("usr/lib/libfoo.so", hidden.as_slice()), "safetensors"),
        (("etc/readme", b"text".as_slice()), "not put there"),
        (("w.gguf", b"x".as_slice()), "gguf"),
    ] {
        let ours = layer(&[("usr/local/bin/s", b"sentinel"), extra]);
        let failure = verdict(&[], &ours, false).unwrap_err();
        assert_eq!(failure.exit, Exit::Data);
        assert!(
            failure.to_string().contains(word) && failure.to_string().contains(extra.0),
            "{failure}"
        );
    }
    let changed = layer(&[("usr/local/bin/s", b"SENTINEL")]);
    assert!(verdict(&[], &changed, false).is_err());
    assert!(verdict(&[], &layer(&[]), false).is_err(), "our file is missing");
}

#[test]
fn a_base_is_read_when_asked() {
    let ours = layer(&[("usr/local/bin/s", b"sentinel")]);
    let hidden = layer(&[("usr/share/doc/readme.txt", &safetensors())]);
    assert!(verdict(std::slice::from_ref(&hidden), &ours, false).is_ok());
    let failure = verdict(&[layer(&[("a", b"b")]), hidden], &ours, true).unwrap_err();
    let text = failure.to_string();
    assert!(
        text.contains("layer 1") && text.contains("usr/share/doc/readme.txt"),
        "{text}"
    );
    let table = layer(&[("usr/share/small.bin", &[0; 100]), ("bin/sh", b"\x7fELF")]);
    assert_eq!(verdict(&[table], &ours, true).unwrap().layers, 2);
    let large = vec![1_u8; 1 << 20];
    assert!(verdict(&[layer(&[("opt/w.bin", &large)])], &ours, true).is_err());
}

#[test]
fn a_layer_that_is_not_what_the_configuration_says_is_refused() {
    let ours = layer(&[("usr/local/bin/s", b"sentinel")]);
    let (_folder, other) = archive(std::slice::from_ref(&ours), |_| {
        layer(&[("usr/local/bin/s", b"sentinel"), ("more", b"x")])
    });
    assert!(check(&other, &[], &placed(), false).is_err());
    let (_folder, trailing) = archive(
        &[[ours.clone(), vec![0; 1024], b"weights".to_vec()].concat()],
        <[u8]>::to_vec,
    );
    let failure = check(&trailing, &[], &placed(), false).unwrap_err();
    assert!(failure.to_string().contains("after the end"), "{failure}");
    let (_folder, zstd) = archive(std::slice::from_ref(&ours), |_| {
        b"\x28\xb5\x2f\xfd\0\0\0\0".to_vec()
    });
    assert!(check(&zstd, &[], &placed(), false).is_err());
    // A base that moved: the layers do not begin with what was looked at.
    let (_folder, moved) = archive(&[layer(&[("a", b"b")]), ours], <[u8]>::to_vec);
    assert!(check(&moved, &["sha256:other".to_owned()], &placed(), false).is_err());
}
