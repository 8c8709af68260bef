// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary

// Peer: the Centrifuge library over NATS. A connection is subscribed, by the server, to its industry's channel
// and to its user's; the token is checked on connect. Usage: centrifuge PORT NATS_PORT
package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/centrifugal/centrifuge"
	"github.com/nats-io/nats.go"
)

// broker passes what the backend publishes on a channel's subject to the node, as Centrifugo's raw mode does.
type broker struct {
	connection    *nats.Conn
	handler       centrifuge.BrokerEventHandler
	subscriptions map[string]*nats.Subscription
	changes       chan func()
}

func newBroker(url string) (*broker, error) {
	connection, err := nats.Connect(url)
	if err != nil {
		return nil, err
	}
	b := &broker{connection: connection, subscriptions: map[string]*nats.Subscription{}, changes: make(chan func())}
	go func() {
		for change := range b.changes {
			change()
		}
	}()
	return b, nil
}

func (b *broker) change(f func() error) error {
	done := make(chan error)
	b.changes <- func() { done <- f() }
	return <-done
}

func (b *broker) RegisterBrokerEventHandler(handler centrifuge.BrokerEventHandler) error {
	b.handler = handler
	return nil
}

func (b *broker) Subscribe(channels ...string) error {
	return b.change(func() error {
		for _, channel := range channels {
			if b.subscriptions[channel] != nil {
				continue
			}
			subscription, err := b.connection.Subscribe(channel, func(message *nats.Msg) {
				_ = b.handler.HandlePublication(message.Subject, &centrifuge.Publication{Data: message.Data},
					centrifuge.StreamPosition{}, false, nil)
			})
			if err != nil {
				return err
			}
			b.subscriptions[channel] = subscription
		}
		return nil
	})
}

func (b *broker) Unsubscribe(channels ...string) error {
	return b.change(func() error {
		for _, channel := range channels {
			if subscription := b.subscriptions[channel]; subscription != nil {
				_ = subscription.Unsubscribe()
				delete(b.subscriptions, channel)
			}
		}
		return nil
	})
}

func (b *broker) Publish(channel string, data []byte, _ centrifuge.PublishOptions) (centrifuge.PublishResult, error) {
	return centrifuge.PublishResult{}, b.connection.Publish(channel, data)
}

func (b *broker) PublishJoin(string, *centrifuge.ClientInfo) error  { return nil }
func (b *broker) PublishLeave(string, *centrifuge.ClientInfo) error { return nil }
func (b *broker) RemoveHistory(string) error                        { return nil }
func (b *broker) History(string, centrifuge.HistoryOptions) ([]*centrifuge.Publication, centrifuge.StreamPosition, error) {
	return nil, centrifuge.StreamPosition{}, centrifuge.ErrorNotAvailable
}

// verify returns the user of an HS256 token.
func verify(token string, secret []byte) (string, bool) {
	dot := strings.LastIndexByte(token, '.')
	if dot < 0 {
		return "", false
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(token[:dot]))
	signature, err := base64.RawURLEncoding.DecodeString(token[dot+1:])
	if err != nil || !hmac.Equal(signature, mac.Sum(nil)) {
		return "", false
	}
	_, encoded, _ := strings.Cut(token[:dot], ".")
	claims, err := base64.RawURLEncoding.DecodeString(encoded)
	var read struct {
		Sub string `json:"sub"`
		Exp int64  `json:"exp"`
	}
	if err != nil || json.Unmarshal(claims, &read) != nil || read.Sub == "" || read.Exp < time.Now().Unix() {
		return "", false
	}
	return read.Sub, true
}

func connecting(secret []byte) centrifuge.ConnectingHandler {
	return func(_ context.Context, event centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		user, ok := verify(event.Token, secret)
		if !ok {
			return centrifuge.ConnectReply{}, centrifuge.DisconnectInvalidToken
		}
		return centrifuge.ConnectReply{
			Credentials:    &centrifuge.Credentials{UserID: user},
			Subscriptions:  map[string]centrifuge.SubscribeOptions{"industry.steel": {}, "user." + user: {}},
			PingPongConfig: &centrifuge.PingPongConfig{PingInterval: 25 * time.Second, PongTimeout: 20 * time.Second},
		}, nil
	}
}

func run() error {
	node, err := centrifuge.New(centrifuge.Config{})
	if err != nil {
		return err
	}
	broker, err := newBroker("nats://127.0.0.1:" + os.Args[2])
	if err != nil {
		return err
	}
	node.SetBroker(broker)
	node.OnConnecting(connecting([]byte(os.Getenv("BENCH_SECRET"))))
	node.OnConnect(func(*centrifuge.Client) {})
	if err := node.Run(); err != nil {
		return err
	}
	http.Handle("/connection/websocket", centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{
		CheckOrigin: func(*http.Request) bool { return true },
	}))
	address := "127.0.0.1:" + os.Args[1]
	if certificate := os.Getenv("BENCH_CERT"); certificate != "" {
		return http.ListenAndServeTLS(address, certificate, os.Getenv("BENCH_KEY"), nil)
	}
	return http.ListenAndServe(address, nil)
}

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: centrifuge PORT NATS_PORT")
	}
	log.Fatal(run())
}
