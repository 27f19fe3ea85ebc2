"""Uses a client that was generated from docs/openapi.json against a daemon with
nobody enrolled: enrols, verifies in all three forms of a picture, reads the log.

Usage: use_client.py URL; the package facegate_client is on the path.
"""
import base64
import io
import pathlib
import sys

from facegate_client import Client
from facegate_client.api.default import (delete_people_person, get_logs, get_people, post_enroll,
                                         post_verify, put_doors_door)
from facegate_client.models import (DoorRules, Enrolment, PostEnrollFilesBody, PostVerifyFilesBody,
                                    PostVerifyJsonBody, Problem)
from facegate_client.types import File

FACES = pathlib.Path(__file__).parents[1] / "data" / "faces"


def picture(name):
    return File(payload=io.BytesIO((FACES / name).read_bytes()), file_name=name,
                mime_type="image/jpeg")


def main(url):
    client = Client(base_url=url)
    body = PostEnrollFilesBody(image=[picture("obama.jpg"), picture("obama-720p.jpg")],
                               person_id="obama", name="Barack")
    enrolled = post_enroll.sync(client=client, body=body)
    assert isinstance(enrolled, Enrolment), enrolled
    assert [t.template_id for t in enrolled.enrolled] == [1, 2]

    put_doors_door.sync(client=client, door_id="north", body=DoorRules(target_fmr=1e-3))
    coded = base64.b64encode((FACES / "obama2.jpg").read_bytes()).decode()
    for number, body in enumerate((
            picture("obama2.jpg"), PostVerifyFilesBody(image=picture("obama2.jpg")),
            PostVerifyJsonBody(image=coded)), 1):
        found = post_verify.sync(client=client, body=body, person_id="obama", door_id="north")
        assert (found.decision, found.log_id) == ("allow", number), found
        assert found.target_fmr == 1e-3 and len(found.face.landmarks) == 5
        assert found.expires_at > found.at
    found = post_verify.sync(client=client, body=picture("biden.jpg"), person_id="obama",
                             door_id="north")
    assert (found.decision, found.reason) == ("deny", "below_threshold"), found

    logs = get_logs.sync(client=client, person_id="obama", limit=3)
    assert [row.log_id for row in logs.logs] == [4, 3, 2] and logs.next_ == 2, logs
    assert [p.person_id for p in get_people.sync(client=client).people] == ["obama"]
    assert delete_people_person.sync_detailed(client=client, person_id="obama").status_code == 204
    problem = post_verify.sync(client=client, body=picture("biden.jpg"), person_id="obama",
                               door_id="north")
    assert isinstance(problem, Problem) and problem.code == "no_such_person", problem
    print("A generated client enrols, verifies and reads the log.")


main(sys.argv[1])
