//! The patch: the operations of dind-webhook under its default settings, in the same order.

use std::{error::Error, fmt::Display, fs, io::Write};

use serde_json::{Value, to_string, to_writer};

use crate::pod::{Container, Mount, Pod, Spec};

const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";
const TOKEN_VOLUME: &str = "kube-api-access-";

/// The additions of every pod, as JSON text, with the names by which a pod is searched for them.
pub struct Additions {
    daemon_name: String,
    /// The daemon's container, open after its own mounts: the shared ones follow.
    daemon: String,
    volumes: Vec<String>,
    variable_name: String,
    variable: String,
    client_mounts: Vec<(String, String)>,
    group: String,
    annotations: Vec<(String, String)>,
    label: (String, String),
}

impl Additions {
    pub fn read(path: &str) -> Result<Self, Box<dyn Error>> {
        let mut file: Value = serde_json::from_slice(&fs::read(path)?)?;
        let own_mounts = file["container"]["volumeMounts"].take().to_string();
        let container = file["container"].as_object_mut().ok_or("the container is an object")?;
        container.remove("volumeMounts");
        Ok(Self {
            daemon: format!("{},\"volumeMounts\":{}", without_last(&to_string(container)?), without_last(&own_mounts)),
            daemon_name: text(&file["container"]["name"]),
            volumes: list(&file["volumes"]).map(Value::to_string).collect(),
            variable_name: text(&file["clientEnv"]["name"]),
            variable: file["clientEnv"].to_string(),
            client_mounts: list(&file["clientMounts"]).map(|one| (text(&one["mountPath"]), one.to_string())).collect(),
            group: file["group"].to_string(),
            annotations: file["annotations"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(key, value)| (key.clone(), value.to_string()))
                .collect(),
            label: file["labels"]
                .as_object()
                .and_then(|labels| labels.iter().next())
                .map(|(key, value)| (key.clone(), value.to_string()))
                .ok_or("there is a label")?,
        })
    }
}

/// A JSONPatch that is being written.
struct Patch(Vec<u8>);

impl Patch {
    fn add(&mut self, path: impl Display, value: impl Display) {
        let separator = if self.0.is_empty() { '[' } else { ',' };
        write!(self.0, r#"{separator}{{"op":"add","path":"{path}","value":{value}}}"#).expect("a Vec grows");
    }

    /// Append values to the list at `path`, or add the list if the pod has none.
    fn append(&mut self, path: impl Display, exists: bool, values: &[&str]) {
        if exists {
            values.iter().for_each(|value| self.add(format_args!("{path}/-"), value));
        } else if !values.is_empty() {
            self.add(path, format_args!("[{}]", values.join(",")));
        }
    }
}

/// Return the patch for a pod, or None if it does not ask for Docker or has it already.
pub fn write_patch(pod: &Pod, additions: &Additions) -> serde_json::Result<Option<Vec<u8>>> {
    let (spec, annotations) = (&pod.spec, &pod.metadata.annotations);
    let init_containers = spec.init_containers.as_deref().unwrap_or_default();
    let asks = annotations.get("dind.io/inject").is_some_and(|value| value == "sidecar");
    if !asks || init_containers.iter().any(|one| one.name == additions.daemon_name) {
        return Ok(None);
    }
    let mut patch = Patch(Vec::with_capacity(8192));
    add_group(&mut patch, spec, &additions.group);
    for (key, value) in &additions.annotations {
        if !annotations.contains_key(key.as_str()) {
            patch.add(annotation_path(key), value);
        }
    }
    if !annotations.contains_key(DEFAULT_CONTAINER) {
        patch.add(annotation_path(DEFAULT_CONTAINER), to_string(&spec.containers[0].name)?);
    }
    let (label, value) = &additions.label;
    match &pod.metadata.labels {
        None => patch.add("/metadata/labels", format_args!(r#"{{"{label}":{value}}}"#)),
        Some(labels) if labels.contains_key(label) => {}
        Some(_) => patch.add(format_args!("/metadata/labels/{}", escape(label)), value),
    }
    for (index, container) in init_containers.iter().enumerate().filter(|(_, one)| is_client(one)) {
        add_to_client(&mut patch, format_args!("/spec/initContainers/{index}"), container, additions);
    }
    for (index, container) in spec.containers.iter().enumerate() {
        add_to_client(&mut patch, format_args!("/spec/containers/{index}"), container, additions);
    }
    let volumes: Vec<&str> = additions.volumes.iter().map(String::as_str).collect();
    patch.append("/spec/volumes", spec.volumes.is_some(), &volumes);
    add_daemon(&mut patch, spec, additions)?;
    patch.0.push(b']');
    Ok(Some(patch.0))
}

fn add_group(patch: &mut Patch, spec: &Spec, group: &str) {
    const PATH: &str = "/spec/securityContext/supplementalGroups";
    match spec.security_context.as_ref().map(|context| &context.supplemental_groups) {
        None => patch.add("/spec/securityContext", format_args!(r#"{{"supplementalGroups":[{group}]}}"#)),
        Some(Some(groups)) if groups.iter().any(|one| one.to_string() == group) => {}
        Some(groups) => patch.append(PATH, groups.is_some(), &[group]),
    }
}

fn add_to_client(patch: &mut Patch, path: impl Display, container: &Container, additions: &Additions) {
    let env = container.env.as_deref();
    if !env.unwrap_or_default().iter().any(|one| one.name == additions.variable_name) {
        patch.append(format_args!("{path}/env"), env.is_some(), &[&additions.variable]);
    }
    let mounts = container.volume_mounts.as_deref();
    let is_taken = |path: &str| mounts.unwrap_or_default().iter().any(|one| one.mount_path == path);
    let missing = additions.client_mounts.iter().filter(|(path, _)| !is_taken(path));
    let missing: Vec<&str> = missing.map(|(_, mount)| mount.as_str()).collect();
    patch.append(format_args!("{path}/volumeMounts"), mounts.is_some(), &missing);
}

/// Add the daemon's container, last: it moves the init containers, whose indexes are in the paths before it.
fn add_daemon(patch: &mut Patch, spec: &Spec, additions: &Additions) -> serde_json::Result<()> {
    let mut daemon = additions.daemon.clone().into_bytes();
    for mount in shared_mounts(spec) {
        daemon.push(b',');
        to_writer(&mut daemon, &mount)?;
    }
    daemon.extend_from_slice(b"]}");
    let daemon = String::from_utf8(daemon).expect("JSON is UTF-8");
    match spec.init_containers {
        Some(_) => patch.add("/spec/initContainers/0", daemon),
        None => patch.add("/spec/initContainers", format_args!("[{daemon}]")),
    }
    Ok(())
}

/// Return the mounts of the clients' volumes, and of the token last; the first at a path wins.
fn shared_mounts<'a>(spec: &Spec<'a>) -> Vec<Mount<'a>> {
    let volumes = spec.volumes.iter().flatten().filter(|volume| {
        let sources = [&volume.empty_dir, &volume.persistent_volume_claim, &volume.ephemeral];
        sources.iter().any(|source| source.is_some()) || volume.name.starts_with(TOKEN_VOLUME)
    });
    let shareable: Vec<&str> = volumes.map(|volume| &*volume.name).collect();
    let clients = spec.init_containers.iter().flatten().filter(|one| is_client(one)).chain(&spec.containers);
    let mut shared: Vec<Mount> = Vec::new();
    for mount in clients.flat_map(|client| client.volume_mounts.iter().flatten()) {
        if !shareable.contains(&&*mount.name) {
            continue;
        }
        match shared.iter_mut().find(|one| one.mount_path == mount.mount_path) {
            Some(first) => first.read_only &= mount.read_only,
            None => shared.push(mount.clone()),
        }
    }
    shared.sort_by_key(|mount| mount.name.starts_with(TOKEN_VOLUME));
    shared
}

fn is_client(container: &Container) -> bool {
    container.restart_policy.as_deref() != Some("Always")
}

fn annotation_path(key: &str) -> String {
    format!("/metadata/annotations/{}", escape(key))
}

/// Return a key as a part of a JSON pointer.
fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn without_last(json: &str) -> &str {
    &json[..json.len() - 1]
}
