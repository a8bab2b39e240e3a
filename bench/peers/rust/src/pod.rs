//! The fields of a pod that the injection uses; serde skips all others.

use std::{borrow::Cow, collections::HashMap, ops::Not};

use serde::{Deserialize, Serialize, de::IgnoredAny};

#[derive(Deserialize)]
pub struct Pod<'a> {
    pub metadata: Metadata,
    #[serde(borrow)]
    pub spec: Spec<'a>,
}

#[derive(Deserialize)]
pub struct Metadata {
    #[serde(default)]
    pub annotations: HashMap<String, String>,
    pub labels: Option<HashMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spec<'a> {
    #[serde(borrow)]
    pub volumes: Option<Vec<Volume<'a>>>,
    #[serde(borrow)]
    pub init_containers: Option<Vec<Container<'a>>>,
    #[serde(borrow)]
    pub containers: Vec<Container<'a>>,
    pub security_context: Option<SecurityContext>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecurityContext {
    pub supplemental_groups: Option<Vec<i64>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Volume<'a> {
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    pub empty_dir: Option<IgnoredAny>,
    pub persistent_volume_claim: Option<IgnoredAny>,
    pub ephemeral: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Container<'a> {
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    #[serde(borrow)]
    pub restart_policy: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub env: Option<Vec<Variable<'a>>>,
    #[serde(borrow)]
    pub volume_mounts: Option<Vec<Mount<'a>>>,
}

#[derive(Deserialize)]
pub struct Variable<'a> {
    #[serde(borrow)]
    pub name: Cow<'a, str>,
}

#[derive(Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Mount<'a> {
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    #[serde(borrow)]
    pub mount_path: Cow<'a, str>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub sub_path: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Not::not")]
    pub read_only: bool,
}
