//! The model as JSON.

use serde_json::{Value, json};

use crate::application::model::{FollowerModel, Model};
use crate::domain::aggregate_model::AggregateModel;
use crate::domain::emitted::Count;
use crate::domain::event::EventKind;
use crate::follow::definition::FollowerKind;

impl Model {
    /// The model as JSON, with the [JSON Schema](crate::Shape::json_schema) of each event version.
    ///
    /// ```
    /// # use factum::prelude::*;
    /// # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
    /// # use bank::*;
    /// use factum::application::Model;
    ///
    /// let model = Model::new("bank", &[BankAccount::MODEL], &[]).json();
    /// let account = &model["aggregates"][0];
    /// assert_eq!(account["commands"][0]["emits"][0]["event"], "account-opened");
    /// let opened = &account["events"][0]["versions"][0];
    /// assert_eq!(opened["schema"]["properties"]["owner"]["type"], "string");
    /// ```
    #[must_use]
    pub fn json(&self) -> Value {
        let aggregates: Vec<_> = self.aggregates.iter().map(aggregate).collect();
        let followers: Vec<_> = self.followers.iter().map(follower).collect();
        json!({ "name": self.name, "aggregates": aggregates, "followers": followers, "schedules": self.schedules })
    }
}

fn aggregate(aggregate: &AggregateModel) -> Value {
    let commands: Vec<_> = aggregate
        .emits()
        .map(|(command, emitted)| {
            let emits = counted("event", &emitted);
            json!({
                "name": command.name,
                "fields": fields(command.fields.iter()),
                "internal": command.internal,
                "emits": emits,
            })
        })
        .collect();
    let shapes = aggregate.shapes();
    let event = |kind: &EventKind| {
        let versions: Vec<_> = shapes
            .iter()
            .filter(|shape| shape.event == kind.name)
            .map(|shape| {
                let fields = fields(shape.fields.iter().map(|field| (field.name, field.ty)));
                json!({ "version": shape.version, "fields": fields, "schema": shape.json_schema() })
            })
            .collect();
        json!({ "name": kind.name, "version": kind.version, "aliases": kind.aliases, "versions": versions })
    };
    let events: Vec<_> = aggregate.events.iter().map(event).collect();
    let retired: Vec<_> = aggregate.retired.iter().map(|kind| kind.name).collect();
    json!({ "name": aggregate.name, "commands": commands, "events": events, "retired": retired })
}

fn follower(follower: &FollowerModel) -> Value {
    let kind = match follower.kind {
        FollowerKind::Projection => "projection",
        FollowerKind::Reaction => "reaction",
        FollowerKind::Process => "process",
    };
    let reads: Vec<_> = follower
        .reads()
        .map(|(category, event)| json!({ "aggregate": category, "event": event.name }))
        .collect();
    let steps: Vec<_> = follower
        .steps
        .iter()
        .map(|step| json!({ "on": step.on, "refused": step.is_refusal, "sends": counted("command", &step.sends.events(&[])) }))
        .collect();
    json!({ "name": follower.name, "kind": kind, "reads": reads, "sends": follower.sends, "steps": steps })
}

fn fields(fields: impl Iterator<Item = (&'static str, &'static str)>) -> Vec<Value> {
    fields.map(|(name, ty)| json!({ "name": name, "type": ty })).collect()
}

fn counted(what: &str, names: &[(&'static str, Count)]) -> Vec<Value> {
    names.iter().map(|(name, count)| json!({ what: name, "count": count.to_string() })).collect()
}
