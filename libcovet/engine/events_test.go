package engine

import (
	"errors"
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

func TestAFailureIsToldHoweverManyEventsWait(t *testing.T) {
	var v events
	v.open(func(int, int64) {})
	if _, err := v.descriptor(); err != nil {
		t.Fatal(err)
	}
	defer v.close()
	for place := range 2 * maxEvents {
		v.note(place, true, 0, int64(time.Second))
	}
	v.failed("the ring is broken")
	list := v.take()
	last := list[len(list)-1]
	if len(list) != maxEvents || last.Event != "failed" || last.Reason != "the ring is broken" {
		t.Fatalf("%d events, the last one %+v", len(list), last)
	}
}

func TestAnEngineThatHasFailedDoesNotKeepWhoeverTellsItSomething(t *testing.T) {
	r := serve(t)
	reached := make(chan struct{})
	blocked := make(chan struct{})
	defer close(blocked)
	r.loops[0].tasks <- func() { close(reached); <-blocked }
	r.wake()
	<-reached
	told := make(chan error)
	go func() { told <- r.onLoops(func(*loop) {}) }()
	r.fail(errors.New("the ring is broken"))
	for range 2 {
		select {
		case err := <-told:
			if !errors.Is(err, errFailed) {
				t.Fatalf("error %v", err)
			}
		case <-time.After(loopAnswers / 2):
			t.Fatal("no answer")
		}
		go func() { told <- r.onLoops(func(*loop) {}) }()
	}
	<-told
	if s := r.Status(); s.Failure != "the ring is broken" {
		t.Fatalf("status %+v", s)
	}
}
