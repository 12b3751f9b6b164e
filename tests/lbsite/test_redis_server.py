def test_the_fixture_redis_answers(redis_client):
    redis_client.set("a", "1")
    assert redis_client.get("a") == b"1"
