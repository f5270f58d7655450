//! The JSON Schemas (2020-12) that are published: one for each message, envelope included. Unknown fields are allowed,
//! as readers of version 0.1 ignore them.

use crate::envelope::Envelope;
use crate::form::Form;
use crate::messages::Message;
use crate::name::{Kind, Name};
use crate::shape::{Field, Shape};
use serde_json::{Map, Value, json};

/// Where the schemas are served.
const BASE: &str = "/schemas/acp/0.1";

/// The schema of a message.
#[must_use]
pub fn message(name: Name) -> Value {
    let mut schema = of(&Envelope::with_payload());
    let kinds: Vec<&str> = name
        .senders()
        .iter()
        .map(|(_, kind)| Kind::as_str(*kind))
        .collect();
    let mut narrow = |field: &str, to: Value| {
        if let Some(property) = schema
            .pointer_mut(&format!("/properties/{field}"))
            .and_then(Value::as_object_mut)
        {
            let doc = property.remove("description");
            property.clear();
            property.extend(doc.map(|doc| ("description".to_owned(), doc)));
            if let Value::Object(to) = to {
                property.extend(to);
            }
        }
    };
    narrow("name", json!({"const": name.as_str()}));
    narrow("type", json!({"type": "string", "enum": kinds}));
    narrow("acp_version", json!({"const": crate::VERSION}));
    narrow("payload", of(&Message::shape(name)));
    let mut whole = Map::new();
    whole.insert(
        "$schema".into(),
        json!("https://json-schema.org/draft/2020-12/schema"),
    );
    whole.insert("$id".into(), json!(format!("{BASE}/{}.json", name.as_str())));
    whole.insert("title".into(), json!(name.as_str()));
    if let Value::Object(schema) = schema {
        whole.extend(schema);
    }
    Value::Object(whole)
}

/// The schema of a shape.
#[must_use]
pub fn of(shape: &Shape) -> Value {
    match shape {
        Shape::Object(fields) => object(fields),
        Shape::List { of: item, most } => json!({"type": "array", "items": of(item), "maxItems": most}),
        Shape::Text(form) => text(*form),
        Shape::Flag => json!({"type": "boolean"}),
        Shape::Whole { least, most } => json!({"type": "integer", "minimum": least, "maximum": most}),
        // Not `multipleOf`: readers that keep numbers in binary would refuse right amounts.
        Shape::Number { most } => {
            json!({"type": "number", "minimum": 0, "maximum": most, "$comment": "at most 6 places"})
        }
        Shape::Usd { signed: true } => json!({"type": "number", "$comment": "at most 2 places"}),
        Shape::Usd { signed: false } => {
            json!({"type": "number", "minimum": 0, "$comment": "at most 2 places"})
        }
    }
}

fn object(fields: &[Field]) -> Value {
    let property = |field: &Field| {
        let mut schema = of(&field.shape);
        if let Some(map) = schema.as_object_mut() {
            map.insert("description".into(), json!(field.doc.trim()));
        }
        (field.name.to_owned(), schema)
    };
    let required: Vec<&str> = fields.iter().filter(|f| f.required).map(|f| f.name).collect();
    let properties: Map<String, Value> = fields.iter().map(property).collect();
    let mut schema = json!({"type": "object"});
    if let Some(map) = schema.as_object_mut() {
        if !required.is_empty() {
            map.insert("required".into(), json!(required));
        }
        if !properties.is_empty() {
            map.insert("properties".into(), Value::Object(properties));
        }
    }
    schema
}

fn text(form: Form) -> Value {
    let line = |most: u32| json!({"type": "string", "minLength": 1, "maxLength": most, "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]*$"});
    match form {
        Form::Id => json!({"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"}),
        Form::Uuid => json!({"type": "string", "format": "uuid"}),
        Form::Word => line(128),
        Form::Key => line(255),
        Form::Line => line(1024),
        Form::Prose => json!({"type": "string", "minLength": 1, "maxLength": 8192}),
        Form::One(words) => json!({"type": "string", "enum": words}),
        Form::AnyOf(words) => {
            let escaped: Vec<String> = words.iter().map(|word| word.replace('.', "\\.")).collect();
            let one = format!("({})", escaped.join("|"));
            json!({"type": "string", "pattern": format!("^{one}(\\|{one})*$")})
        }
        Form::Date => json!({"type": "string", "format": "date"}),
        Form::Instant => json!({"type": "string", "format": "date-time"}),
        Form::DateOrInstant => {
            json!({"type": "string", "anyOf": [{"format": "date"}, {"format": "date-time"}]})
        }
        Form::Uri => {
            json!({"type": "string", "maxLength": 1024, "pattern": "^[a-z][a-z0-9+]{0,15}://[^/@?#\\s]+(/[^?#\\s]*)?$"})
        }
        Form::Sha256 => json!({"type": "string", "pattern": "^[0-9a-f]{64}$"}),
        Form::Cidr => json!({"type": "string", "pattern": "^[0-9A-Fa-f.:]+/[0-9]{1,3}$"}),
        Form::Source => json!({"type": "string", "pattern": "^(buyer_ip_ranges|[0-9A-Fa-f.:]+/[0-9]{1,3})$"}),
        Form::Destination => json!({"type": "string", "pattern": "^[A-Za-z0-9.*_-]{1,253}(:[0-9]{1,5})?$"}),
        Form::Email => json!({"type": "string", "maxLength": 254, "pattern": "^\\S+@[^@\\s]+$"}),
        Form::SshKey => {
            json!({"type": "string", "maxLength": 4096, "pattern": "^[a-z0-9-]+ [A-Za-z0-9+/]+=*( .*)?$"})
        }
    }
}
