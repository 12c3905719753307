//! The syntax of a command line: words, `name=value` pairs, and values that nest.

/// Levels of `{…}` and `[…]` at most.
const MAX_DEPTH: usize = 16;

/// A value as it was typed; its type comes from the parameter that it is for.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Anything without quotes: a number, a name, a word.
    Word(String),
    /// `"…"`: always a text.
    Quoted(String),
    /// `@name`: a capability.
    Capability(String),
    /// `[…]`.
    List(Vec<Value>),
    /// `{name=value …}`.
    Record(Vec<(String, Value)>),
}

/// A part of a command line.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// A value by itself.
    Plain(Value),
    /// `name=value`.
    Field(String, Value),
}

/// Reads a command line.
pub fn parse(line: &str) -> Result<Vec<Item>, String> {
    let mut reader = Reader { rest: line };
    let mut items = Vec::new();
    loop {
        reader.skip_space();
        if reader.rest.is_empty() {
            return Ok(items);
        }
        items.push(match reader.name() {
            Some(name) => Item::Field(name, reader.value(0)?),
            None => Item::Plain(reader.value(0)?),
        });
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn skip_separators(&mut self) {
        self.rest = self.rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
    }

    fn eat(&mut self, wanted: char) -> bool {
        let rest = self.rest.strip_prefix(wanted);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// A name and its `=`, if that comes next.
    fn name(&mut self) -> Option<String> {
        let end = self.rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '/')))?;
        let value = self.rest[end..].strip_prefix('=').filter(|_| end > 0)?;
        let name = self.rest[..end].to_owned();
        self.rest = value;
        Some(name)
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        if depth > MAX_DEPTH {
            return Err(format!("values nest at most {MAX_DEPTH} levels deep"));
        }
        match self.rest.chars().next() {
            Some('"') => self.quoted(),
            Some('[') => self.list(depth),
            Some('{') => self.record(depth),
            _ => Ok(self.word(depth)),
        }
    }

    fn word(&mut self, depth: usize) -> Value {
        let ends = |c: char| c.is_whitespace() || depth > 0 && matches!(c, ',' | ']' | '}');
        let end = self.rest.find(ends).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        match word.strip_prefix('@') {
            Some(name) => Value::Capability(name.to_owned()),
            None => Value::Word(word.to_owned()),
        }
    }

    fn quoted(&mut self) -> Result<Value, String> {
        let mut text = String::new();
        let mut characters = self.rest.char_indices().skip(1);
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(Value::Quoted(text));
                }
                '\\' => text.push(match characters.next() {
                    Some((_, 'n')) => '\n',
                    Some((_, 't')) => '\t',
                    Some((_, c @ ('"' | '\\'))) => c,
                    _ => return Err(r#"after \ in a text comes n, t, " or \"#.to_owned()),
                }),
                c => text.push(c),
            }
        }
        Err("a text that starts with \" has to end with \"".to_owned())
    }

    fn list(&mut self, depth: usize) -> Result<Value, String> {
        self.eat('[');
        let mut values = Vec::new();
        loop {
            self.skip_separators();
            if self.eat(']') {
                return Ok(Value::List(values));
            }
            if self.rest.is_empty() || self.rest.starts_with('}') {
                return Err("a list that starts with [ has to end with ]".to_owned());
            }
            values.push(self.value(depth + 1)?);
        }
    }

    fn record(&mut self, depth: usize) -> Result<Value, String> {
        self.eat('{');
        let mut fields = Vec::new();
        loop {
            self.skip_separators();
            if self.eat('}') {
                return Ok(Value::Record(fields));
            }
            let name = self.name().ok_or("between { and } stands name=value, name=value, …")?;
            fields.push((name, self.value(depth + 1)?));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn word(text: &str) -> Value {
        Value::Word(text.into())
    }

    #[test]
    fn reads_words_fields_and_capabilities() {
        let items = parse(r#" call @x.m  a=1 text="one \"two\"\n" cap=@y url=http://a?b=c,d "#).unwrap();
        assert_eq!(
            items,
            [
                Item::Plain(word("call")),
                Item::Plain(Value::Capability("x.m".into())),
                Item::Field("a".into(), word("1")),
                Item::Field("text".into(), Value::Quoted("one \"two\"\n".into())),
                Item::Field("cap".into(), Value::Capability("y".into())),
                Item::Field("url".into(), word("http://a?b=c,d")),
            ]
        );
    }

    #[test]
    fn reads_nested_values() {
        let items = parse("p={x=1, y=[1 2,3] z={}}").unwrap();
        let list = Value::List(vec![word("1"), word("2"), word("3")]);
        let fields = vec![("x".into(), word("1")), ("y".into(), list), ("z".into(), Value::Record(vec![]))];
        assert_eq!(items, [Item::Field("p".into(), Value::Record(fields))]);
    }

    #[test]
    fn says_what_is_wrong() {
        assert!(parse("a=\"x").unwrap_err().contains("has to end with \""));
        assert!(parse("a=[1, 2").unwrap_err().contains("end with ]"));
        assert!(parse("a={1}").unwrap_err().contains("name=value"));
        assert!(parse(&"[".repeat(100)).unwrap_err().contains("levels"));
    }

    proptest! {
        #[test]
        fn no_line_hurts(line in "\\PC{0,80}") {
            let _ = parse(&line);
        }

        #[test]
        fn brackets_and_quotes_in_any_order_end(line in r#"[a@=,\[\]{}" \\]{0,60}"#) {
            let _ = parse(&line);
        }
    }
}
