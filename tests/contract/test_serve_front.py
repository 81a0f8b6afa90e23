"""The HTTP front: S3's corner cases survive the way to moto, and concurrent requests give exact results."""

from __future__ import annotations

import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def test_keys_metadata_and_ranges_arrive_as_they_were_sent(lab: Any) -> None:
    key = "a folder/ü+%2F=&?.csv"
    lab.s3.put_object(Bucket=lab.bucket, Key=key, Body=b"0123456789", Metadata={"my_key": "x", "other-key": "y"})
    answer = lab.s3.get_object(Bucket=lab.bucket, Key=key, Range="bytes=2-4")
    assert answer["Body"].read() == b"234"
    assert answer["Metadata"] == {"my_key": "x", "other-key": "y"}
    assert lab.s3.head_object(Bucket=lab.bucket, Key=key)["ContentLength"] == 10
    assert [item["Key"] for item in lab.s3.list_objects_v2(Bucket=lab.bucket, Prefix="a folder/")["Contents"]] == [key]
    url = lab.s3.generate_presigned_url("get_object", Params={"Bucket": lab.bucket, "Key": key})
    with urllib.request.urlopen(url) as response:
        assert response.read() == b"0123456789"


def test_a_large_object_goes_up_in_parts_and_comes_down_whole(lab: Any, tmp_path: Any) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(bytes(range(256)) * 80_000)
    lab.s3.upload_file(str(source), lab.bucket, "large")
    lab.s3.download_file(lab.bucket, "large", str(target))
    assert target.read_bytes() == source.read_bytes()


def test_concurrent_increments_are_all_counted(boto: Any, unique: Any) -> None:
    table, dynamodb = unique("table"), boto("dynamodb")
    dynamodb.create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )

    def increment(_: int) -> None:
        dynamodb.update_item(
            TableName=table,
            Key={"id": {"S": "one"}},
            UpdateExpression="ADD amount :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
        )

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(increment, range(160)))
    item = dynamodb.get_item(TableName=table, Key={"id": {"S": "one"}})["Item"]
    assert item["amount"]["N"] == "160"


def test_a_long_poll_keeps_no_sender_out_and_no_message_comes_twice(boto: Any, unique: Any) -> None:
    sqs = boto("sqs")
    url = sqs.create_queue(QueueName=unique("queue"))["QueueUrl"]
    received: list[str] = []

    def receive(_: int) -> None:
        deadline = time.monotonic() + 10
        while len(received) < 80 and time.monotonic() < deadline:
            answer = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1, MaxNumberOfMessages=5)
            received.extend(message["Body"] for message in answer.get("Messages", []))

    with ThreadPoolExecutor(8) as threads:
        receivers = [threads.submit(receive, number) for number in range(4)]
        time.sleep(0.2)
        began = time.monotonic()
        list(threads.map(lambda number: sqs.send_message(QueueUrl=url, MessageBody=str(number)), range(80)))
        assert time.monotonic() - began < 5
        for receiver in receivers:
            receiver.result()
    assert sorted(received, key=int) == [str(number) for number in range(80)]


def test_what_the_sandbox_does_not_have_is_said_at_once(boto: Any, refused: Any) -> None:
    with refused("NotImplemented", "The sandbox does not have this: The create_algorithm action"):
        boto("sagemaker").create_algorithm(
            AlgorithmName="one",
            TrainingSpecification={
                "TrainingImage": "image",
                "SupportedTrainingInstanceTypes": ["ml.m5.large"],
                "TrainingChannels": [
                    {"Name": "train", "SupportedContentTypes": ["text/csv"], "SupportedInputModes": ["File"]}
                ],
            },
        )
