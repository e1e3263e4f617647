package engine

import (
	"testing"
	"time"
)

func TestRequestsThatWaitAreToldOnceASecond(t *testing.T) {
	var v events
	v.open(func(int, int64) {})
	if _, err := v.descriptor(); err != nil {
		t.Fatal(err)
	}
	defer v.close()
	told := 0
	for now := int64(1); now < int64(3*time.Second); now += int64(100 * time.Millisecond) {
		v.queued(now)
		for _, event := range v.take() {
			if event.Event != "queued" {
				t.Fatalf("event %q", event.Event)
			}
			told++
		}
	}
	if told != 3 {
		t.Fatalf("told %d times in three seconds", told)
	}
}
