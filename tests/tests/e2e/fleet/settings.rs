//! Whether an organisation wants old keys replaced, and how old.

use http::Method;
use serde_json::{Value, json};
use tests::{Answer, App, Operator, Person};

use super::{ORG, OTHER, operator};

const PATH: &str = "/api/agent/admin/settings/auto-rotation";

async fn put(by: &Operator, body: &Value) -> Answer {
    by.request(Method::PUT, PATH).json(body).send().await
}

#[track_caller]
fn check(answer: &Answer, enabled: bool, days: u32) {
    let data = json!({"enabled": enabled, "intervalDays": days});
    assert_eq!(
        (answer.status.as_u16(), answer.json()),
        (200, json!({"success": true, "data": data}))
    );
}

// B4 424
#[tokio::test]
async fn keys_are_replaced_as_an_organisation_wants_it() {
    let app = App::start().await;
    let (operator, other) = (operator(&app), app.admin(OTHER));
    check(&operator.get(PATH).await, false, 90);
    for (enabled, days) in [(true, 30), (false, 365), (true, 60)] {
        let body = json!({"enabled": enabled, "intervalDays": days});
        check(&put(&operator, &body).await, enabled, days);
        check(&operator.get(PATH).await, enabled, days);
        check(&other.get(PATH).await, false, 90);
    }
    check(&put(&other, &json!({"enabled": false, "intervalDays": 45, "more": 1})).await, false, 45);
    check(&operator.get(PATH).await, true, 60);
    check(&other.get(PATH).await, false, 45);
    let mine = app.admin(ORG).get("/api/audit?action=settings.update").await.expect(200).data();
    assert_eq!(mine["total"], 3);
    let newest = &mine["entries"][0];
    assert_eq!(newest["target_id"], "auto_rotation");
    assert_eq!(newest["before"], json!({"enabled": false, "interval_days": 365}));
    assert_eq!(newest["after"], json!({"enabled": true, "interval_days": 60}));
}

#[tokio::test]
async fn what_is_no_setting_changes_none() {
    let app = App::start().await;
    let operator = operator(&app);
    put(&operator, &json!({"enabled": true, "intervalDays": 60})).await.expect(200);
    let expected =
        |kind: &str, received: &str| format!("Invalid input: expected {kind}, received {received}");
    for (body, details) in [
        (
            json!({"enabled": true, "intervalDays": 29}),
            json!([{"path": "intervalDays", "message": "Too small: expected number to be >=30"}]),
        ),
        (
            json!({"enabled": true, "intervalDays": 366}),
            json!([{"path": "intervalDays", "message": "Too big: expected number to be <=365"}]),
        ),
        (
            json!({"enabled": true, "intervalDays": 30.5}),
            json!([{"path": "intervalDays", "message": expected("int", "number")}]),
        ),
        (
            json!({"enabled": "true", "intervalDays": "60"}),
            json!([
                {"path": "enabled", "message": expected("boolean", "string")},
                {"path": "intervalDays", "message": expected("number", "string")},
            ]),
        ),
        (
            json!({}),
            json!([
                {"path": "enabled", "message": expected("boolean", "undefined")},
                {"path": "intervalDays", "message": expected("number", "undefined")},
            ]),
        ),
    ] {
        let answer = put(&operator, &body).await.expect(400);
        assert_eq!(answer.json()["details"], details, "{body}");
    }
    check(&operator.get(PATH).await, true, 60);
}

// §5.4: reading needs what writing needs.
#[tokio::test]
async fn only_who_may_change_agents_sees_the_setting() {
    let app = App::start().await;
    let analyst = Operator::new(app.server(), ORG, Person::analyst(ORG).token());
    assert_eq!(analyst.get(PATH).await.expect(403).error(), "Insufficient permissions");
    put(&analyst, &json!({"enabled": true, "intervalDays": 60})).await.expect(403);
    check(&operator(&app).get(PATH).await, false, 90);
}
