def test_group_is_refused_with_the_reason(refusal):
    body = {"Kind": "sameness-group", "Members": [{"Peer": "west"}, {"Partition": "a"}]}

    assert "sameness-groups are an enterprise-only feature" == refusal(body)
